/**
 * The doctor's lines one by one: this test breaks the thing, runs the printed cure word for word, and sees the line well.
 *
 * Other lines: test/kernel/doctor-kernels.test.ts (old kernels, missing modules, tables, the clock), test/integration/doctor*.test.ts (words, other users, files,
 * neighbours) and test/kernel/road-firewall.test.ts. test/unit/daemon/doctor-proofs.test.ts says of each line where it is shown, or why it is not.
 */

import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest'
import type { Finding } from '../../src/daemon/doctor/facts.ts'
import type { Lab, LabProcess } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { privateNamespace } from './support/namespace.ts'
import { configurationText, pointsman } from './support/pointsman.ts'

const netns = 'cures'
/** Not in /run: what is in memory is a line of its own. */
const directory = '/var/lib/pointsman-cures'
const config = `${directory}/pointsman.yaml`
const state = `${directory}/state`

/** One thing that is broken. */
interface Fault {
  readonly what: string
  /** Commands in the namespace; what runs on is started by `meanwhile`. */
  readonly breaks?: string
  readonly line: RegExp
  readonly verdict: 'warn' | 'fail'
  /** A line that is ok afterwards, beside the first one being gone. */
  readonly well: RegExp
  readonly ofMachine?: true
}

const web = {
  name: 'web',
  listen: '10.9.0.1:80',
  persistence: '300s',
  full_nat: true,
  snat_ip: '10.9.0.9',
  virtual_address: { interface: 'lan0' },
  backends: ['10.9.2.1:80'],
}
const services = [
  web,
  { name: 'six', listen: '[2001:db8:9::1]:80', backends: ['[2001:db8:9:1::1]:80'] },
  {
    name: 'probed',
    listen: '10.9.0.2:80',
    forwarding: 'direct',
    health_check: { enabled: true, type: 'tcp', via: 'vip' },
    backends: ['10.9.2.1:80'],
  },
  { name: 'far', listen: '10.9.0.3:80', forwarding: 'tunnel', backends: ['10.9.2.2:80'] },
]

const parts = new AsyncDisposableStack()
let lab: Lab

const sh = (script: string, inNamespace = true): Promise<string> => lab.check(['sh', '-c', script], inNamespace ? { netns } : {})

/** `under`: what the shell does before the doctor is run from it. */
async function doctor(
  shell = ':',
  under: readonly string[] = [],
): Promise<{ code: number | undefined; ok: boolean; checks: readonly Finding[] }> {
  const from = ['sh', '-c', `${shell}; exec "$@"`, 'sh', ...under]
  const { code, stdout } = await pointsman(lab, ['doctor', '-c', config, '--json'], { netns, under: from })
  return { code, ...(JSON.parse(stdout) as { ok: boolean; checks: readonly Finding[] }) }
}

const lineOf = (checks: readonly Finding[], { line }: Fault): Finding | undefined =>
  checks.find(({ verdict, message }) => verdict !== 'ok' && line.test(message))

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  parts.use(await privateNamespace(lab, netns))
  parts.defer(async () => void (await lab.run(`umount ${state} 2>/dev/null; rm -rf ${directory} /etc/*/*pointsman-*.conf`)))
  await sh(`rm -rf ${directory}; mkdir -p ${state}; modprobe -a ip_vs ip_vs_wlc nf_conntrack dummy`, false)
  await sh(`set -e
    ip link add wan0 type dummy && ip address add 10.9.2.254/24 dev wan0 && ip link set wan0 up
    ip link add lan0 type dummy
    nft add table ip cures && nft add chain ip cures seen '{ type filter hook output priority 0; }'
    nft add rule ip cures seen ct state new counter
    sysctl -w net.netfilter.nf_conntrack_udp_timeout=600
    perl -MIO::Socket -e 'IO::Socket::INET->new(Proto => "udp", PeerAddr => "10.9.2.9:9")->send("x")'`)
  await lab.writeFile(config, configurationText(directory, services, { global: { max_probes: 2000 } }))
})
afterAll(() => parts.disposeAsync())

/** What runs until its cure ends it. Nobody says anything at these sockets. */
async function meanwhile(): Promise<readonly LabProcess[]> {
  const listen = (socket: string) => [
    'perl',
    '-MIO::Socket',
    '-MSocket',
    '-e',
    `$| = 1; ${socket} or die $!; print "listening\\n"; sleep`,
  ]
  const holds = 'socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un("\\0pointsman/table")) && listen(S, 5)'
  const takes = '$s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:9095", Listen => 5)'
  await lab.writeFile(`${directory}/keepalived.conf`, 'global_defs {\n}\n')
  const files = ['-p', `${directory}/k.pid`, '-c', `${directory}/kc.pid`, '-r', `${directory}/kv.pid`]
  const keepalived = lab.spawn(['keepalived', '-n', '-l', '-C', ...files, '-f', `${directory}/keepalived.conf`], { netns })
  const [silent, taker] = [lab.spawn(listen(holds), { netns }), lab.spawn(listen(takes), { netns })]
  await Promise.all([silent, taker].map((each) => each.waitForLine((line) => line === 'listening')))
  const all = [keepalived, silent, taker]
  parts.defer(() => {
    for (const each of all) each.kill('SIGKILL')
  })
  return all
}

const sysctl = (name: string, bad: number, verdict: Fault['verdict'] = 'fail'): Fault => ({
  what: name,
  breaks: `sysctl -w ${name}=${bad}`,
  line: new RegExp(`^${name.replaceAll('.', '\\.')} is ${bad}`),
  verdict,
  well: new RegExp(`^${name.replaceAll('.', '\\.')} = 1$`),
})

const addresses: readonly Fault[] = ['10.9.0.2', '10.9.0.3', '2001:db8:9::1'].map((address) => ({
  what: `the address ${address}`,
  line: new RegExp(`^${address} \\(\\w+\\) is on no interface`),
  verdict: 'warn',
  well: /^every address of a service is on this host$/,
  // Elsewhere a VRRP daemon may run out of sight.
  ofMachine: true,
}))

const FAULTS: readonly Fault[] = [
  sysctl('net.ipv4.vs.expire_nodest_conn', 0),
  sysctl('net.ipv4.vs.expire_quiescent_template', 0),
  sysctl('net.ipv4.vs.conntrack', 0),
  sysctl('net.ipv4.vs.conn_reuse_mode', 0, 'warn'),
  sysctl('net.ipv4.ip_forward', 0),
  sysctl('net.ipv6.conf.all.forwarding', 0),
  {
    what: 'a strict reverse path on one interface',
    breaks: 'sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.wan0.rp_filter=1 net.ipv4.conf.wan0.accept_local=0',
    line: /^net\.ipv4\.conf\.all\.rp_filter is 0, and rp_filter of [^:]*wan0[^:]* is 1: /,
    verdict: 'warn',
    well: /^net\.ipv4\.conf\.all\.rp_filter = 2$/,
  },
  {
    what: 'answers of probes by the virtual address',
    line: /^probes of probed through its address \(via: vip\) find nothing out.*accept_local has to be 1.*rp_filter has to be 2/,
    verdict: 'fail',
    well: /^their answers are let in \(accept_local, rp_filter\)$/,
  },
  ...addresses,
  {
    what: 'the source address',
    line: /^10\.9\.0\.9 \(snat_ip of web\) is on no interface/,
    verdict: 'fail',
    well: /^snat_ip of web is on this host$/,
    ofMachine: true,
  },
  {
    what: 'an interface that is switched off',
    breaks: 'ip link set lan0 down',
    line: /^the interface lan0, which web names, is switched off$/,
    verdict: 'fail',
    well: /^every interface that the configuration names is there$/,
  },
  {
    what: 'a narrow link under a tunnel',
    line: /^packets of more than 1480 bytes do not fit into the ipip tunnels of far \(the MTU of wan0 is 1500\)/,
    verdict: 'warn',
    well: /^packets of 1500 bytes fit into the tunnels$/,
  },
  {
    what: 'what kube-proxy left behind',
    breaks: 'ip link add kube-ipvs0 type dummy',
    line: /^the interface kube-ipvs0 is there/,
    verdict: 'warn',
    well: /^none found$/,
    ofMachine: true,
  },
  {
    what: 'another writer',
    line: /^keepalived \(process \d+\) runs in this network namespace/,
    verdict: 'fail',
    well: /^none found/,
  },
  {
    what: 'a holder that says nothing',
    line: /^perl \(process \d+\) holds the table and does not say who it is/,
    verdict: 'warn',
    well: /^nobody holds it$/,
  },
  {
    what: 'the admin address',
    line: /^perl \(process \d+\) listens on 127\.0\.0\.1:9095, so a daemon works without it$/,
    verdict: 'fail',
    well: /^127\.0\.0\.1:9095 is free$/,
  },
  {
    what: 'a state directory to read only',
    breaks: `mount -t tmpfs -o ro none ${state}`,
    line: /^\/var\/lib\/pointsman-cures\/state cannot be written \(EROFS\)$/,
    verdict: 'fail',
    well: /^\/var\/lib\/pointsman-cures\/state is writable$/,
  },
  {
    what: 'too few descriptors',
    line: /^a start from here may open 1024 files, and max_probes is 2000: /,
    verdict: 'warn',
    well: /^a start from here may open 65536 files, and max_probes is 2000$/,
  },
]

/** Of the whole machine: only a machine of the lab's own is broken so. */
const TRACKING = 'net.netfilter.nf_conntrack'
const FULL: Fault = {
  what: 'a full table of connections, which is read here and written in the host',
  breaks: `nsenter --net=/proc/1/ns/net sysctl -w ${TRACKING}_max=1`,
  line: /^1 of 1 connections are tracked/,
  verdict: 'warn',
  well: /^1 of 2 connections are tracked/,
  ofMachine: true,
}
const OF_MACHINE: readonly Fault[] = [
  {
    what: 'a hash table of connections that is too small',
    breaks: `nsenter --net=/proc/1/ns/net sysctl -w ${TRACKING}_max=16384 ${TRACKING}_buckets=1024`,
    line: /^16384 connections may be tracked in a hash table of 1024 buckets/,
    verdict: 'warn',
    well: /of 16384 connections are tracked/,
    ofMachine: true,
  },
  {
    what: 'ip_vs that is not loaded, and may not be by this user',
    breaks: `for n in $(ip netns list | cut -d' ' -f1); do ip netns exec $n ipvsadm -C; done; ipvsadm -C
      for m in $(lsmod | grep -o '^ip_vs_[a-z0-9_]*'); do rmmod $m; done; rmmod ip_vs`,
    line: /^not loaded yet; the kernel loads it by itself at the start, if it may$/,
    verdict: 'warn',
    well: /^net\.ipv4\.vs\.conn_reuse_mode = 1$/,
    ofMachine: true,
  },
  {
    what: 'sysctls that are not there yet',
    line: /^net\.ipv4\.vs\.\* is not there before ip_vs is loaded$/,
    verdict: 'warn',
    well: /^net\.ipv4\.vs\.conn_reuse_mode = 1$/,
    ofMachine: true,
  },
  {
    what: 'a state directory that this user cannot make',
    breaks: `umount ${state}; rmdir ${state}`,
    line: /^\/var\/lib\/pointsman-cures\/state cannot be made in \/var\/lib\/pointsman-cures \(EACCES\)$/,
    verdict: 'fail',
    well: /^\/var\/lib\/pointsman-cures\/state is writable$/,
  },
]

let ill: readonly Finding[] = []
let well: readonly Finding[] = []

const isOurs = ({ ofMachine }: Fault): boolean => ofMachine !== true || lab.mode === 'vm'

/** A line each, as a person would paste them. */
const pasted = (commands: readonly string[]): Promise<string> => sh(`set -e\n${commands.join('\n')}`)

/** Breaks everything at once, and runs every cure. `under`: who looks. */
async function breakAndCure(
  faults: readonly Fault[],
  shell: string,
  under: readonly string[],
  ends: () => Promise<unknown>,
): Promise<void> {
  await pasted(faults.filter(isOurs).flatMap(({ breaks }) => breaks ?? []))
  const before = await doctor(shell, under)
  expect(before).toMatchObject({ code: 42, ok: false })
  ill = before.checks
  const cures = faults.flatMap((fault) => lineOf(ill, fault)?.run ?? [])
  // A limit is that of the shell in which the cure is run.
  const limit = cures.find((cure) => cure.startsWith('ulimit ')) ?? ':'
  await pasted(cures.filter((each) => each !== limit))
  await ends()
  well = (await doctor(`${shell}; ${limit}`, under)).checks
}

function expectCured(fault: Fault, context: TestContext): void {
  if (!isOurs(fault)) context.skip('the machine itself is left alone')
  expect(lineOf(ill, fault)).toMatchObject({ verdict: fault.verdict, run: expect.stringMatching(/\S/) })
  expect(lineOf(well, fault)).toBeUndefined()
  expect(well).toContainEqual(expect.objectContaining({ verdict: 'ok', message: expect.stringMatching(fault.well) }))
}

describe('what root finds broken', () => {
  const faults = [...FAULTS, FULL]
  let sizes: readonly string[] = []

  beforeAll(async () => {
    sizes = (await sh(`sysctl -n ${TRACKING}_max ${TRACKING}_buckets`, false)).trim().split('\n')
    const processes = await meanwhile()
    await breakAndCure(faults, 'ulimit -n 1024', [], () =>
      Promise.race([Promise.all(processes.map(({ exited }) => exited)), setTimeout(20_000)]),
    )
  })
  afterAll(async () => {
    if (lab.mode === 'vm') await sh(`sysctl -w ${TRACKING}_max=${sizes[0]} ${TRACKING}_buckets=${sizes[1]}`, false)
  })

  it.for(faults)('$what is named with its cure, and ok after it', (fault, context) => expectCured(fault, context))

  it('is all that failed', () => {
    const left = faults.filter((fault) => !isOurs(fault))
    const failed = well.filter(({ verdict, message }) => verdict === 'fail' && !left.some(({ line }) => line.test(message)))
    expect(failed).toEqual([])
  })

  it('is kube-proxy, where its interface carries addresses, and no command deletes that', async () => {
    await sh('ip link add kube-ipvs0 type dummy && ip address add 10.96.0.1/32 dev kube-ipvs0')
    const line = (await doctor()).checks.find(({ message }) =>
      message.startsWith('the interface kube-ipvs0 carries addresses (1)'),
    )
    await sh('ip link delete kube-ipvs0')
    expect(line).toMatchObject({
      check: 'other writer',
      verdict: 'fail',
      cure: expect.stringContaining('once it is gone for good'),
    })
    expect(line).not.toHaveProperty('run')
  })

  it('is kept so by the second command', async () => {
    const names = FAULTS.map(({ what }) => what).filter((what) => what.startsWith('net.'))
    const kept = FAULTS.flatMap((fault) => lineOf(ill, fault)?.keep ?? []).filter((keep) => keep.includes('sysctl.d'))
    expect(kept).toHaveLength(names.length + 2)
    // As systemd-sysctl does at boot.
    await pasted([
      ...kept,
      ...FAULTS.flatMap(({ breaks }) => (breaks?.startsWith('sysctl') ? [breaks] : [])),
      'cat /etc/sysctl.d/60-pointsman-*.conf | sysctl -p -',
    ])
    const values = await sh(`sysctl -n ${names.join(' ')} net.ipv4.conf.all.rp_filter net.ipv4.conf.wan0.accept_local`)
    expect(values.trim().split('\n')).toEqual([...names.map(() => '1'), '2', '1'])
    expect(await sh('cat /etc/modules-load.d/pointsman-ip_vs.conf')).toBe('ip_vs\n')
  })
})

describe('what another user finds broken', () => {
  const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all']

  beforeAll(() => breakAndCure(OF_MACHINE, ':', nobody, async () => undefined))
  afterAll(async () => void (await sh('modprobe ip_vs', false)))

  it.for(OF_MACHINE)('$what is named with its cure, and ok after it', (fault, context) => expectCured(fault, context))

  it('of a state directory of another user no command takes it away', async () => {
    await sh(`chown 0:0 ${state}; chmod 0700 ${state}`)
    const { checks } = await doctor(':', nobody)
    const line = checks.find(({ check }) => check === 'state directory')
    expect(line).toMatchObject({
      verdict: 'fail',
      cure: expect.stringMatching(/^run the doctor as root, .*\(it belongs to user 0\)/),
    })
    expect(line).not.toHaveProperty('run')
  })
})
