/** Where the examples of the documentation are run: a director with systemd and the Debian package, a host with its backends, and a registry. */

import { command as onThisMachine } from '../../lab/command.ts'
import type { Lab, LabProcess, RunResult } from '../../lab/lab.ts'
import { consulBinary } from '../../peers/consul.ts'
import { unpackedPackages } from '../../peers/debian-package.ts'
import { PACKAGE, SystemdMachine } from './systemd-machine.ts'

/** The director's namespace, and that of the host which has its backends and, beside it, an address that it wants. */
const DIRECTOR = 'docs'
const BACKENDS = 'docs-backends'

/** Where the lines of the pages are run, so that `table.yaml` and `new.yaml` are files of it. */
export const FOLDER = '/root/examples'
const CONSUL = 'http://127.0.0.1:8500/v1/agent/service'

const NETWORK = `
modprobe -a ip_vs nf_conntrack nft_chain_nat veth dummy
for ns in ${DIRECTOR} ${BACKENDS}; do
  ip netns del $ns 2>/dev/null || true
  ip netns add $ns
  ip -n $ns link set lo up
done
ip link add eth0 netns ${DIRECTOR} type veth peer name eth0 netns ${BACKENDS}
for ns in ${DIRECTOR} ${BACKENDS}; do ip -n $ns link set eth0 up; done
for address in 10.0.0.1 10.0.1.254; do ip -n ${DIRECTOR} address add $address/24 dev eth0; done
for address in 10.0.0.2 10.0.1.1 10.0.1.2 10.0.1.3; do ip -n ${BACKENDS} address add $address/24 dev eth0; done
ip netns exec ${DIRECTOR} sysctl -qw net.ipv4.ip_forward=0 net.ipv4.vs.expire_nodest_conn=1
`

/** Programs that the pages name and that a Debian without them installs. */
const PROGRAMS = { name: 'runbook', suite: 'bookworm', packages: ['iputils-arping', 'conntrack'] } as const

/** The kernel says that its table of connections is full, which for a moment it is. */
const CONNTRACK_FULL = `
max=$(sysctl -n net.netfilter.nf_conntrack_max)
nft add table ip full
nft 'add chain ip full out { type filter hook output priority 0; }'
nft add rule ip full out ct state new accept
sysctl -qw net.netfilter.nf_conntrack_max=1
for port in 11 12 13 14; do ip netns exec ${BACKENDS} bash -c "echo >/dev/udp/10.0.0.1/$port"; done
sysctl -qw net.netfilter.nf_conntrack_max=$max
nft delete table ip full
dmesg | grep -q 'nf_conntrack: table full'
`

/** Who a line runs on: the director, one of its backends, or the host whose kernel it is. */
export type Where = 'director' | 'backend' | 'host'

export class DocStage implements AsyncDisposable {
  readonly #lab: Lab
  readonly #machine: SystemdMachine
  readonly #parts: AsyncDisposableStack
  readonly #servers = new Map<string, LabProcess>()

  private constructor(lab: Lab, machine: SystemdMachine, parts: AsyncDisposableStack) {
    this.#lab = lab
    this.#machine = machine
    this.#parts = parts
  }

  static async set(lab: Lab): Promise<DocStage> {
    await using parts = new AsyncDisposableStack()
    await lab.check(['sh', '-e', '-c', NETWORK], { timeoutMs: 120_000 })
    parts.defer(async () => void (await lab.run(`ip netns del ${DIRECTOR}; ip netns del ${BACKENDS}`)))
    const agent = ['-dev', '-node=director', '-bind=127.0.0.1', '-client=127.0.0.1', '-log-level=warn']
    lab.spawn([await consulBinary(), 'agent', ...agent], { netns: DIRECTOR })
    const host = { role: 'director', netns: DIRECTOR, addresses: { ipv4: '10.0.0.1', ipv6: '::1' } }
    const machine = parts.use(await SystemdMachine.boot(lab, host))
    const unit = '/run/systemd/system/pointsman.service.d'
    // An emulated processor of a busy host may need more than two minutes for a start.
    await machine.check(`mkdir -p ${unit} ${FOLDER}/dist; printf '[Service]\\nTimeoutStartSec=10min\\n' >${unit}/emulated.conf`)
    await machine.check(`ln -s ${PACKAGE} ${FOLDER}/dist/pointsman_0.1.0-1_amd64.deb; systemctl log-target journal`)
    // There is no mirror to get them from; and no disk to wait for, nor anybody who looks for a manual.
    await machine.check(`echo 'APT::Install-Recommends "false";' >/etc/apt/apt.conf.d/alone
      echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/unsafe; ln -sf /bin/true /usr/bin/mandb`)
    const stage = new DocStage(lab, machine, parts.move())
    await stage.#install()
    await stage.#certificate()
    return stage
  }

  async #install(): Promise<void> {
    const folder = await unpackedPackages(PROGRAMS)
    const files =
      '$(ls usr/bin/arping usr/sbin/conntrack; ls -d usr/lib/*/libnetfilter_conntrack* usr/lib/*/libnfnetlink* usr/lib/*/libmnl*)'
    const archive = await onThisMachine(['sh', '-ec', `cd ${folder}; tar cz ${files} | base64`])
    await this.#machine.check('base64 -d | tar xzC /', { input: archive })
  }

  async #certificate(): Promise<void> {
    const words = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 9 -subj /CN=web.example'
    await this.#lab.check(`openssl req -x509 ${words} -keyout /run/docs.key -out /run/docs.crt`)
  }

  /** A backend that speaks TLS, or answers every request of HTTP with 200. */
  serve(kind: 'tls' | 'http', address: string): void {
    const [host = '', port = ''] = address.split(':')
    const answer = `require('node:http').createServer((_, response) => response.end()).listen(${port}, '${host}')`
    const argv =
      kind === 'tls'
        ? ['openssl', 's_server', '-accept', address, '-cert', '/run/docs.crt', '-key', '/run/docs.key', '-quiet', '-www']
        : ['node', '-e', answer]
    this.#servers.set(address, this.#lab.spawn(argv, { netns: BACKENDS, keepInput: true }))
  }

  async unserve(address: string): Promise<void> {
    const server = this.#servers.get(address)
    server?.kill('SIGKILL')
    await server?.exited
  }

  /** The three backends of `web` in the registry. */
  async register(): Promise<void> {
    for (const n of [1, 2, 3]) {
      const instance = { Name: 'web', ID: `web-${n}`, Address: `10.0.1.${n}`, Port: 80, Weights: { Passing: 5, Warning: 1 } }
      const call = [
        'curl',
        '-sf',
        '-X',
        'PUT',
        '--retry',
        '60',
        '--retry-connrefused',
        '--retry-delay',
        '1',
        '-d',
        JSON.stringify(instance),
      ]
      await this.#lab.check([...call, `${CONSUL}/register`], { netns: DIRECTOR, timeoutMs: 180_000 })
    }
  }

  async deregister(): Promise<void> {
    for (const n of [1, 2, 3]) await this.#lab.check(`curl -sf -X PUT ${CONSUL}/deregister/web-${n}`, { netns: DIRECTOR })
  }

  /** A client that begins a connection every few seconds; the way back is shut, as `ip_forward` is 0. */
  knock(address: string, port: number): void {
    const line = `while :; do timeout 2 bash -c '</dev/tcp/${address}/${port}'; sleep 3; done`
    this.#lab.spawn(['bash', '-c', line], { netns: BACKENDS })
  }

  async fillConntrack(): Promise<void> {
    await this.#lab.check(CONNTRACK_FULL.replaceAll(/^nft/gm, `ip netns exec ${BACKENDS} nft`))
  }

  /** A line in the folder of the examples, as a login of root has it, to its end. */
  run(line: string, where: Where = 'director'): Promise<RunResult> {
    if (where === 'director') return this.#machine.run(`cd ${FOLDER}\n${line}`)
    return this.#lab.run(['bash', '-c', line], where === 'backend' ? { netns: BACKENDS } : {})
  }

  /** A line on the director that must succeed; its standard output. */
  check(line: string): Promise<string> {
    return this.#machine.check(`cd ${FOLDER}\n${line}`)
  }

  async write(path: string, content: string): Promise<void> {
    await this.#machine.check(`cd ${FOLDER}; mkdir -p "$(dirname ${path})"; cat >${path}`, { input: content })
  }

  /** Begins a line that stays, on a terminal of its own, and waits until it has printed something; all that it has printed, by then or to its early end. */
  async begin(line: string, until: string): Promise<string> {
    await this.write('/root/line', line)
    const job = 'setsid script -qefc "sh /root/line" /root/said >/dev/null 2>&1 </dev/null & echo $! >/root/job'
    const said = `until grep -Eq '${until}' /root/said; do kill -0 $(cat /root/job) || break; sleep 0.5; done; cat /root/said`
    return this.#machine.check(`cd ${FOLDER}; rm -f /root/said; touch /root/said; export TERM=xterm; ${job}; ${said}`)
  }

  /** Ends it; all that it has printed. */
  async end(): Promise<string> {
    // The program alone, for which the shells that the terminal has begun wait.
    return this.#machine.check(
      'job=$(cat /root/job); pkill -TERM -P $(pgrep -P $(pgrep -P $job)); while kill -0 $job 2>/dev/null; do sleep 0.5; done; cat /root/said',
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync()
  }
}
