/**
 * Lines of the doctor about kernels that are old, lack modules or load none any more, are seen from a container, or have a table that is too small, and about
 * a daemon that runs. What is printed is done: commands word for word, and of words the one that can be done here. The kernel itself is what it is: an old
 * one has its name alone (setarch), modules are hidden from who looks, and a boot is played by unloading and loading what /etc names.
 */

import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest'
import type { Finding } from '../../src/daemon/doctor/facts.ts'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { type Ailment, behind, commandOf, expectIll, expectWell, lineOf, NOBODY } from '../support/doctor.ts'
import { privateNamespace } from './support/namespace.ts'
import { configurationText, Daemon, pointsman } from './support/pointsman.ts'

const netns = 'doctor-kernels'
const directory = '/var/lib/pointsman-kernels'
const config = `${directory}/pointsman.yaml`
const state = `${directory}/state`

const web = {
  name: 'web',
  listen: '10.9.0.1:80',
  scheduler: 'mh',
  full_nat: true,
  virtual_address: true,
  backends: ['10.9.2.1:80'],
}
const sip = {
  name: 'sip',
  listen: '10.9.0.2:5060',
  protocol: 'udp',
  persistence: { timeout: '300s', engine: 'sip' },
  backends: ['10.9.2.1:5060'],
}
const tunnel = (type: 'gue' | 'gre', last: number) => ({
  name: type,
  listen: `10.9.0.${last}:80`,
  forwarding: { tunnel: type === 'gue' ? { type, port: 6080 } : { type } },
  backends: ['10.9.2.2:80'],
})
const services = [web, sip, tunnel('gue', 3), tunnel('gre', 4)]

const parts = new AsyncDisposableStack()
let lab: Lab

const sh = (script: string, inNamespace = true): Promise<string> =>
  lab.check(['sh', '-c', `set -e\n${script}`], { timeoutMs: 100_000, ...(inNamespace && { netns }) })

async function looksAt(under: readonly string[] = []): Promise<readonly Finding[]> {
  const { stdout } = await pointsman(lab, ['doctor', '-c', config, '--json'], { netns, under })
  return (JSON.parse(stdout) as { checks: readonly Finding[] }).checks
}

const configure = (global: object = {}, of: readonly object[] = services): Promise<void> =>
  lab.writeFile(config, configurationText(directory, of, { global: { max_probes: 2000, ...global } }))

/** What a client of NTP tells the kernel, or has not told it yet (adjtimex: no error, with or without STA_UNSYNC). */
const tellClock = (status: 0 | 0x40) =>
  sh(
    `perl -e 'my $timex = pack("L x4 q4 i", 0x1c, 0, 0, 0, 0, ${status}) . "\\0" x 200; syscall(159, $timex) >= 0 or die $!'`,
    false,
  )

const once = () => pointsman(lab, ['once', '-c', config, '--no-probes'], { netns })

const ailment = (what: string, line: RegExp, verdict: Ailment['verdict'], well: RegExp): Ailment => ({
  what,
  line,
  verdict,
  well,
})

/** From who looks, that is: what is loaded stays at work. */
const NOT_LOADED = 'mount --bind /dev/null /proc/modules; mount -t tmpfs none /sys/module'
const UNLOAD = `for n in $(ip netns list | cut -d' ' -f1); do ip netns exec $n ipvsadm -C; done; ipvsadm -C
  for m in $(lsmod | grep -o '^ip_vs_[a-z0-9_]*'); do rmmod $m; done`

beforeAll(async () => {
  lab = parts.use(await sharedLab())
  parts.use(await privateNamespace(lab, netns))
  parts.defer(async () => void (await lab.run(`rm -rf ${directory} /etc/*/*pointsman-*.conf; modprobe ip_vs`)))
  await sh(`rm -rf ${directory}; mkdir -p ${state}; modprobe -a ip_vs ip_vs_mh nf_conntrack dummy`, false)
  await sh(`ip link add wan0 type dummy && ip address add 10.9.2.254/24 dev wan0 && ip link set wan0 up mtu 1600`)
  await configure()
})
afterAll(() => parts.disposeAsync())

const ownership = async () => `${state}/ownership-${(await sh('stat -Lc %i /proc/self/ns/net')).trim()}.json`

function inVirtualMachine(context: TestContext): void {
  if (lab.mode !== 'vm') context.skip('modules and the clock of the machine itself are left alone')
}

// A look takes ten seconds in an emulated guest, and some times that on a busy machine.
describe('a kernel', { timeout: 600_000 }, () => {
  it('that is old, and whose table is too small: other tunnels, another conn_reuse_mode, a boot; and a record that cannot be read', async (context) => {
    inVirtualMachine(context)
    const [gue, gre, reuse, table, corrupt, clock] = [
      ailment(
        'gue',
        /^Linux 2\.6\.\S+ knows no gue tunnels in IPVS and sends ipip instead$/,
        'fail',
        /^this kernel makes ipip by itself/,
      ),
      ailment(
        'gre',
        /^Linux 2\.6\.\S+ knows no gre tunnels in IPVS and sends ipip instead$/,
        'fail',
        /^this kernel makes ipip by itself/,
      ),
      ailment(
        'reuse',
        /^with net\.ipv4\.vs\.conntrack = 1 and net\.ipv4\.vs\.conn_reuse_mode = 1 this kernel delays/,
        'warn',
        /^net\.ipv4\.vs\.conn_reuse_mode = 0, as is best/,
      ),
      ailment(
        'the table',
        /^2[1-9]\d\d connections in a table of 256 buckets \(conn_tab_bits\): every packet looks through/,
        'warn',
        /^2[1-9]\d\d connections in a table of 4096 buckets/,
      ),
      ailment(
        'the record',
        /^it cannot be read \(.*\) and would be set aside$/,
        'warn',
        /^it is of this boot and this network namespace$/,
      ),
      ailment(
        'the clock',
        /^nothing keeps it in step \(adjtimex: unsynchronised\)/,
        'warn',
        /^it says 20[^Z]*Z and is kept in step$/,
      ),
    ] as const
    const all = [gue, gre, reuse, table, corrupt, clock]
    const boot = (options = '') => sh(`${UNLOAD}; rmmod ip_vs; modprobe ip_vs ${options}; modprobe ip_vs_mh`, false)
    const connect = () =>
      sh(`sysctl -w net.ipv4.vs.conntrack=1; ip address replace 10.9.0.7/32 dev lo
        ipvsadm -A -u 10.9.0.7:53 -s rr; ipvsadm -a -u 10.9.0.7:53 -r 10.9.2.9:53 -m
        ip neighbour replace 10.9.2.9 lladdr 02:00:00:00:00:09 dev wan0
        perl -MIO::Socket -e 'for (20001..22200) { IO::Socket::INET->new(Proto => "udp", LocalPort => $_, PeerAddr => "10.9.0.7:53")->send("x") or die $! }'`)
    await boot('conn_tab_bits=8')
    await connect()
    await sh(`sysctl -w net.ipv4.vs.conn_reuse_mode=1; echo '{' >${await ownership()}`)
    await tellClock(0x40)

    const old = ['setarch', '--uname-2.6']
    const ill = await looksAt(old)
    expectIll(ill, all)
    await sh(lineOf(ill, table)?.keep ?? 'false', false)
    await boot()
    await connect()
    await sh(lineOf(ill, reuse)?.run ?? 'false')
    await tellClock(0)
    for (const each of [gue, gre]) expect(lineOf(ill, each)?.cure).toMatch(/ or write forwarding: tunnel, which is ipip$/)
    await configure({}, [web, sip, { ...tunnel('gue', 3), forwarding: 'tunnel' }])
    expect(lineOf(ill, corrupt)?.cure).toMatch(/^start adopts/)
    expect(await once()).toMatchObject({ code: 0 })
    expectWell(await looksAt(old), all)
    await configure()
    await sh('rm /etc/modprobe.d/pointsman-ip_vs.conf; sysctl -w net.ipv4.vs.conn_reuse_mode=1')
  })

  it('that lacks modules, loads none any more, or is seen from a container: each as the words want it', async (context) => {
    inVirtualMachine(context)
    const names = ['nf_conntrack', 'nft_chain_nat', 'dummy'] as const
    const wrong = (words: (module: string) => RegExp) => [
      ailment('ip_vs', words('ip_vs'), 'fail', /^IPVS \S+ answers/),
      ailment('mh', words('ip_vs_mh'), 'fail', /^mh is loaded$/),
      ailment('sip', words('ip_vs_pe_sip'), 'fail', /^sip is loaded$/),
      ...names.map((name) => ailment(name, words(name), 'fail', new RegExp(`^${name} is loaded$`))),
    ]
    const locked = wrong((module) => new RegExp(`^${module} is not loaded, and this kernel loads no module any more`))
    const missing = wrong((module) => new RegExp(`^the kernel (\\S+ )?has no (module )?${module}(:|$)`)).map((each) =>
      each.what === 'dummy' ? { ...each, verdict: 'warn' as const } : each,
    )
    const hidden = [
      ailment('mh', /^whether the kernel has ip_vs_mh cannot be seen from here$/, 'warn', /^mh is loaded$/),
      ailment('sip', /^whether the kernel has ip_vs_pe_sip cannot be seen from here$/, 'warn', /^sip is loaded$/),
    ]
    const untracked = ailment(
      'tracking',
      /^this kernel has no net\.ipv4\.vs\.conntrack: its IPVS was built without/,
      'fail',
      /^net\.ipv4\.vs\.conntrack = 1$/,
    )
    await sh(`${UNLOAD}; modprobe ip_vs; rm -f /etc/*/*pointsman-*.conf`, false)
    const record = await ownership()

    const inContainer = await looksAt(
      behind(`mount -t tmpfs none /lib/modules; mkdir /run/no-tracking; cp /proc/sys/net/ipv4/vs/conn_reuse_mode /run/no-tracking
        mount --bind /run/no-tracking /proc/sys/net/ipv4/vs`),
    )
    expectIll(inContainer, [...hidden, untracked])
    for (const each of hidden) expect(lineOf(inContainer, each)?.cure).toBe('on the host, not in this container')

    const without = await looksAt(behind(`${NOT_LOADED}; mount -t tmpfs none /lib/modules/$(uname -r)`))
    expectIll(without, missing)
    for (const each of missing) expect(lineOf(without, each)?.cure).toMatch(/boot a kernel that has /)

    await sh(`sed -i '1s/"netns":"[0-9]*"/"netns":"1"/' ${record}`)
    const other = ailment('record', /^it is of another network namespace and does not count here$/, 'warn', /^it is of this boot/)
    const shut = await looksAt(
      behind(`${NOT_LOADED}; echo 1 >/run/locked; mount --bind /run/locked /proc/sys/kernel/modules_disabled`),
    )
    expectIll(shut, [...locked, other])

    // The host loads for the container what its lines say.
    await sh(hidden.map((each) => lineOf(inContainer, each)?.run ?? 'false').join('\n'), false)
    const loaded = await sh('lsmod', false)
    for (const module of ['ip_vs_mh', 'ip_vs_pe_sip']) expect(loaded).toMatch(new RegExp(`^${module} `, 'm'))
    // A boot: what /etc names is loaded, and by nobody's wish.
    await sh(`${UNLOAD}; modprobe ip_vs`, false)
    await sh(locked.map((each) => lineOf(shut, each)?.keep ?? 'false').join('\n'), false)
    await sh('modprobe -a $(cat /etc/modules-load.d/pointsman-*.conf)', false)
    expect(lineOf(shut, other)?.cure).toContain('"pointsman once" in this namespace')
    expect(await once()).toMatchObject({ code: 0 })
    expectWell(await looksAt(behind('mount -t tmpfs none /lib/modules')), [...hidden, ...locked, ...missing, untracked, other])
  })
})

describe('a machine', { timeout: 600_000 }, () => {
  it('whose clock is older than the program, and set; whose daemon has few descriptors and its state to itself', async (context) => {
    inVirtualMachine(context)
    const [table, clock, descriptors, taken] = [
      ailment(
        'the table',
        /^The kernel refuses access to its IPVS table \(EPERM\): run Pointsman as root/,
        'fail',
        /^IPVS \S+ answers/,
      ),
      ailment(
        'the clock',
        /^it says 2020-\S+, which is before this program was made$/,
        'fail',
        /^it says 20[^Z]*Z and is kept in step$/,
      ),
      ailment(
        'descriptors',
        /^process \d+ may open 1024 files, and max_probes is 2000: /,
        'warn',
        /^process \d+ may open 65536 files/,
      ),
      ailment(
        'the state directory',
        /^\/var\/lib\/pointsman-kernels\/state cannot be written \(EACCES\)$/,
        'fail',
        /^\/var\/lib\/pointsman-kernels\/state is writable$/,
      ),
    ] as const
    await sh(`chmod 0700 ${state}`)
    await using daemon = await Daemon.start(lab, directory, { netns, under: ['prlimit', '--nofile=1024:1024'] })
    // The clock is right again before anybody else looks at it, to the part of a second that this takes.
    const inThePast = [
      'sh',
      '-c',
      `uptime() { cut -d' ' -f1 /proc/uptime; }; now=$(date +%s.%N); up=$(uptime); date --set 2020-01-01T00:00:00Z >/dev/null
        "$@"; code=$?; date --set "@$(echo "$now $up $(uptime)" | awk '{ printf "%.3f", $1 + $3 - $2 }')" >/dev/null; exit $code`,
      'sh',
    ]
    const ill = await looksAt([...inThePast, ...NOBODY])
    expectIll(ill, [table, clock, descriptors, taken])
    expect(lineOf(ill, clock)?.cure).toMatch(/^set it with date --set, and let an NTP client keep it/)
    expect(lineOf(ill, taken)?.cure).toMatch(/^process \d+ \(pointsman start\) runs and may have it: run the doctor as root/)
    await sh(commandOf(lineOf(ill, descriptors)))
    await tellClock(0)
    expectWell(await looksAt(), [table, clock, descriptors, taken])
    expect((await daemon.stop()).code).toBe(0)
  })
})
