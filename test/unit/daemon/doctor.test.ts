import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { report } from '../../../src/cli/doctor.ts'
import { PLAIN } from '../../../src/cli/terminal.ts'
import { loadConfiguration } from '../../../src/config/load.ts'
import { diagnose } from '../../../src/daemon/doctor/diagnose.ts'
import type { DoctorFacts, Finding } from '../../../src/daemon/doctor/facts.ts'
import { gatherFacts } from '../../../src/daemon/doctor/gather.ts'
import { installerIn, limitIn, mountOf } from '../../../src/daemon/doctor/gather-host.ts'
import { lostAddresses } from '../../../src/daemon/doctor/gather-network.ts'
import { findOtherPrograms, keepalivedHalf, seesEveryProcess } from '../../../src/daemon/doctor/other-programs.ts'
import { abstractListener, hidesSockets, holderOfSocket, listenerOn, unitIn } from '../../../src/daemon/doctor/processes.ts'
import { PointsmanError } from '../../../src/errors.ts'
import type { IpAddress } from '../../../src/model/address.ts'
import { FakeHost } from './fake-host.ts'

function configurationOf(services: string) {
  const loaded = loadConfiguration({ path: 'c.yaml', bytes: Buffer.from(`services:\n${services}`) })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues))
  return loaded.configuration
}

const WEB = '  - { name: web, listen: 10.0.0.1:80, scheduler: wrr, backends: [10.0.1.1:80] }\n'

const HEALTHY: DoctorFacts = {
  configuration: configurationOf(WEB),
  platform: 'linux',
  kernelRelease: '6.1.0-18-amd64',
  ipvsModule: 'loaded',
  ipvs: { version: '1.2.1', tableSize: 4096, connections: 0 },
  schedulers: new Map([['wrr', 'loaded']]),
  engines: new Map(),
  capabilities: new Set(['CAP_NET_ADMIN', 'CAP_SYS_MODULE']),
  sysctls: new Map([
    ['net.ipv4.vs.expire_nodest_conn', 1],
    ['net.ipv4.vs.expire_quiescent_template', 1],
    ['net.ipv4.vs.conntrack', 1],
    ['net.ipv4.vs.conn_reuse_mode', 1],
    ['net.ipv4.ip_forward', 1],
    ['net.ipv6.conf.all.forwarding', 1],
    ['net.ipv4.conf.all.rp_filter', 2],
  ]),
  routesLostToForwarding: [],
  otherWriters: [],
  addressMovers: [],
  seesEveryProcess: true,
  holder: undefined,
  stateDirectory: { path: '/var/lib/pointsman' },
  record: { origin: { kind: 'loaded' } },
}

/** What is wrong with this host. */
function wrong(facts: Partial<DoctorFacts>): Finding[] {
  return diagnose({ ...HEALTHY, ...facts }).filter(({ verdict }) => verdict !== 'ok')
}

const withSysctl = (name: string, value: number) => new Map(HEALTHY.sysctls).set(name, value)

describe('what the doctor finds', () => {
  test('a healthy host: every line is ok', () => {
    expect(wrong({})).toEqual([])
  })

  test.each([
    ['', '0 services'],
    [WEB, '1 service'],
    [WEB + WEB.replace('web', 'shop').replace(':80,', ':81,'), '2 services'],
  ])('%j is counted as %s', (services, counted) => {
    const configuration = configurationOf(services === '' ? '  []\n' : services)
    expect(diagnose({ ...HEALTHY, configuration })).toContainEqual(
      expect.objectContaining({ check: 'configuration', verdict: 'ok', message: `c.yaml is valid, ${counted}` }),
    )
  })

  test.each<[string, Partial<DoctorFacts>, Finding['verdict'], RegExp]>([
    [
      'a configuration that is not valid',
      { configuration: undefined, configurationProblem: 'c.yaml:3: bad' },
      'fail',
      /c\.yaml:3: bad/,
    ],
    ['another platform', { platform: 'darwin' }, 'fail', /darwin/],
    ['no module', { ipvsModule: 'missing', ipvs: undefined as never }, 'fail', /has no module ip_vs/],
    ['a kernel that refuses', { ipvs: { problem: 'No rights.' } }, 'fail', /^No rights$/],
    ['a scheduler that is not there', { schedulers: new Map([['mh', 'missing']]) }, 'fail', /ip_vs_mh/],
    ['a persistence engine that is not there', { engines: new Map([['sip', 'missing']]) }, 'fail', /ip_vs_pe_sip/],
    ['no rights', { capabilities: new Set<string>() }, 'fail', /CAP_NET_ADMIN is missing/],
    ['connections that hang', { sysctls: withSysctl('net.ipv4.vs.expire_nodest_conn', 0) }, 'fail', /expire_nodest_conn is 0/],
    [
      'forwarding off',
      { sysctls: withSysctl('net.ipv4.ip_forward', 0) },
      'fail',
      /ip_forward is 0, so the replies of web \(nat\)/,
    ],
    ['ports that are reused', { sysctls: withSysctl('net.ipv4.vs.conn_reuse_mode', 0) }, 'warn', /conn_reuse_mode is 0/],
    ['an old kernel that delays them', { kernelRelease: '5.8.9' }, 'warn', /delays reused ports/],
    ['a strict reverse path', { sysctls: withSysctl('net.ipv4.conf.all.rp_filter', 1) }, 'warn', /rp_filter is 1/],
    ['another writer', { otherWriters: [{ pid: 7, program: 'keepalived' }] }, 'fail', /keepalived \(process 7\)/],
    ['a trace of kube-proxy', { kubeInterface: { addresses: 0 } }, 'warn', /kube-ipvs0/],
    ['kube-proxy at work', { kubeInterface: { addresses: 2 } }, 'fail', /kube-ipvs0 carries addresses \(2\): kube-proxy writes/],
    ['a silent holder', { holder: 'silent' }, 'warn', /does not say who it is/],
    [
      'a state directory that cannot be written',
      { stateDirectory: { path: '/x', problem: '/x cannot be written (EROFS)' } },
      'fail',
      /EROFS/,
    ],
    ['a record of a later version', { record: { problem: 'It is of a later version.' } }, 'fail', /later version/],
    ['a corrupt record', { record: { origin: { kind: 'corrupt', reason: 'line 3' } } }, 'warn', /line 3/],
    ['a record of another namespace', { record: { origin: { kind: 'other-namespace' } } }, 'warn', /another network namespace/],
  ])('%s', (_, facts, verdict, message) => {
    const given = { ...facts }
    if ('ipvs' in given && given.ipvs === undefined) delete given.ipvs
    const findings =
      'ipvs' in facts && facts.ipvs === undefined
        ? diagnose(withoutAnswer(given)).filter((each) => each.verdict !== 'ok')
        : wrong(given)
    expect(findings).toHaveLength(1)
    expect(findings[0]?.verdict).toBe(verdict)
    expect(findings[0]?.message).toMatch(message)
  })

  test('on an old kernel that would delay them, ports may be reused by old rules', () => {
    const old = { sysctls: withSysctl('net.ipv4.vs.conn_reuse_mode', 0), kernelRelease: '5.8.9' }
    expect(wrong(old)).toEqual([])
    expect(wrong({ ...old, sysctls: new Map(old.sysctls).set('net.ipv4.vs.conntrack', 0) })).toMatchObject([
      { message: expect.stringContaining('conn_reuse_mode is 0') as string },
    ])
    const [delayed] = wrong({ kernelRelease: '5.8.9' })
    expect(delayed?.run).toBe('sysctl -w net.ipv4.vs.conn_reuse_mode=0')
  })

  test('what nobody asked for does not matter: no persistent service, no NAT, no service at all', () => {
    const off = new Map(HEALTHY.sysctls).set('net.ipv4.vs.expire_quiescent_template', 0).set('net.ipv4.ip_forward', 0)
    const direct = configurationOf('  - { name: web, listen: 10.0.0.1:80, forwarding: direct, backends: [10.0.1.1:80] }\n')
    expect(wrong({ sysctls: off, configuration: direct })).toEqual([])
    const none = configurationOf('  []\n')
    expect(wrong({ sysctls: new Map(off).set('net.ipv4.vs.expire_nodest_conn', 0), configuration: none })).toEqual([])
  })

  test('a persistent service with templates that never expire', () => {
    const persistent = configurationOf('  - { name: web, listen: 10.0.0.1:80, persistence: 300s, backends: [10.0.1.1:80] }\n')
    const findings = wrong({ sysctls: withSysctl('net.ipv4.vs.expire_quiescent_template', 0), configuration: persistent })
    expect(findings.map(({ message }) => message)).toEqual([expect.stringContaining('persistent clients of web stay')])
  })

  describe('of source NAT and virtual addresses', () => {
    const service = (keys: string) =>
      configurationOf(`  - { name: web, listen: 10.0.0.1:80, backends: [10.0.1.1:80], ${keys} }\n`)
    const network = {
      interfaces: new Set(['lo', 'eth0']),
      addresses: new Set(['10.0.0.9', '2001:db8::9'] as never[]),
    }
    const said = (keys: string, facts: Partial<DoctorFacts> = {}) =>
      wrong({ configuration: service(keys), network, ...facts }).map(({ verdict, message }) => `${verdict} ${message}`)

    test('nothing where all is there', () => {
      const nftables = { by: 'libnftables' }
      expect(said('full_nat: true, snat_ip: 10.0.0.9', { nftables, conntrack: { count: 80, max: 100 } })).toEqual([])
      expect(said('virtual_address: { interface: eth0 }')).toEqual([])
    })

    test('nftables that cannot be had, in its own words', () => {
      expect(said('full_nat: true', { nftables: { problem: 'Neither libnftables nor nft is here: install nftables.' } })).toEqual(
        ['fail Neither libnftables nor nft is here: install nftables'],
      )
    })

    test('iptables that cannot be had although the configuration insists on it, with its own package', async () => {
      const problem = 'iptables-save is not installed: install the package nftables (or iptables) of your distribution.'
      const [finding] = wrong({
        configuration: service('full_nat: true'),
        network,
        installer: 'apt-get install -y',
        nftables: { problem, wanted: 'iptables' },
      })
      expect(finding).toMatchObject({ verdict: 'fail', run: 'apt-get install -y iptables' })
      const host = new FakeHost()
      host.iptables.failure = new PointsmanError('NFT_MISSING', problem)
      const insisting = configurationOf('  - { name: web, listen: 10.0.0.1:80, full_nat: true, backends: [10.0.1.1:80] }\n')
      const configuration = { ...insisting, snat: { by: 'iptables' as const } }
      const stateDir = await mkdtemp(join(tmpdir(), 'pointsman-doctor-'))
      onTestFinished(() => rm(stateDir, { recursive: true }))
      const facts = await gatherFacts(host, { configuration, stateDir, kernelDeadline: 1_000 })
      expect(facts.nftables).toEqual({ problem, wanted: 'iptables' })
      expect(facts.modules?.has('nft_chain_nat')).toBe(false)
    })

    test('a source address that is not of this host', () => {
      expect(said('full_nat: true, snat_ip: 10.0.0.9-10.0.0.12')).toEqual([
        'fail 10.0.0.10 and 2 more (snat_ip of web) is on no interface of this host, so the replies of backends to it get lost',
      ])
      expect(said('full_nat: true, snat_ip: 10.0.0.1')).toHaveLength(1)
      expect(said('full_nat: true, snat_ip: 10.0.0.1, virtual_address: true')).toEqual([])
    })

    test('a source address that leaves with the quorum of another service', () => {
      const placed = (when: string, more = '') =>
        `full_nat: true, snat_ip: 10.0.0.2 }
  - { name: dns, listen: 10.0.0.2:53, protocol: udp, backends: [10.0.1.1:53], virtual_address: { announce_when: ${when} } }${more}
  - { name: own, listen: 10.0.0.2:80, backends: [10.0.1.1:80], full_nat: true, snat_ip: 10.0.0.2`
      expect(said(placed('quorum'))).toEqual([
        'warn snat_ip of web has the address of dns, which leaves this host while the quorum of dns is lost (announce_when): the replies to web get lost then',
      ])
      const shared = '\n  - { name: more, listen: 10.0.0.2:54, protocol: udp, backends: [10.0.1.1:54], virtual_address: true }'
      expect([said(placed('always')), said(placed('quorum', shared))]).toEqual([[], []])
    })

    test('a table of connections that is nearly full', () => {
      expect(said('full_nat: true', { conntrack: { count: 81, max: 100 } })).toEqual([
        'warn 81 of 100 connections are tracked (net.netfilter.nf_conntrack_max); beyond that new ones are dropped',
      ])
    })

    test('an interface that is not there', () => {
      expect(said('virtual_address: { interface: eth7 }')).toEqual([
        'fail this network namespace has no interface eth7, which web names',
      ])
      expect(said('virtual_address: true', { network: { problem: 'The interfaces cannot be read.' } })).toEqual([
        'fail The interfaces cannot be read',
      ])
    })

    test('is gathered for services that ask for it alone', async () => {
      const host = new FakeHost()
      const input = { stateDir: '/nowhere', kernelDeadline: 1_000 }
      expect(await gatherFacts(host, { ...input, configuration: service('full_nat: true') })).toMatchObject({
        nftables: { by: 'memory' },
        network: { interfaces: new Set(['lo']) },
      })
      const facts = await gatherFacts(host, { ...input, configuration: service('full_nat: false') })
      expect([facts.nftables, facts.network]).toEqual([undefined, undefined])
    })
  })

  test('full_nat without connection tracking', () => {
    const translated = configurationOf('  - { name: web, listen: 10.0.0.1:80, full_nat: true, backends: [10.0.1.1:80] }\n')
    const findings = wrong({ sysctls: withSysctl('net.ipv4.vs.conntrack', 0), configuration: translated })
    expect(findings.map(({ message }) => message)).toEqual([expect.stringContaining('the source NAT of web sees no packet')])
  })

  test('IPv6 forwarding that is off where it costs the default route has a cure that keeps the route', () => {
    const ipv6 = configurationOf('  - { name: web, listen: "[2001:db8::1]:80", backends: ["[2001:db8::2]:80"] }\n')
    const sysctls = withSysctl('net.ipv6.conf.all.forwarding', 0)
    const [finding] = wrong({ configuration: ipv6, sysctls, routesLostToForwarding: ['eth0.7'] })
    expect(finding).toMatchObject({ verdict: 'fail', message: expect.stringContaining('net.ipv6.conf.all.forwarding is 0') })
    expect(finding).toMatchObject({
      cure: expect.stringContaining('without accept_ra=2 the host would lose'),
      run: 'sysctl -w net.ipv6.conf.eth0/7.accept_ra=2 net.ipv6.conf.all.forwarding=1',
      keep: "printf '%s\\n' net.ipv6.conf.eth0/7.accept_ra=2 net.ipv6.conf.all.forwarding=1 > /etc/sysctl.d/60-pointsman-net.ipv6.conf.all.forwarding.conf",
    })
  })

  test('a module that is loadable is no trouble, and its sysctls are not judged', () => {
    const facts = withoutAnswer({ ipvsModule: 'loadable', sysctls: new Map([['net.ipv4.ip_forward', 1]]) })
    const findings = diagnose(facts).filter(({ verdict }) => verdict !== 'ok')
    expect(findings.map(({ message }) => message)).toEqual(['net.ipv4.vs.* is not there before ip_vs is loaded'])
  })

  test('sysctls of a module that is nowhere have no command that would only fail', () => {
    const sysctls = new Map([['net.ipv4.ip_forward', 1]])
    const line = (ipvsModule: 'loadable' | 'missing') =>
      diagnose(withoutAnswer({ ipvsModule, sysctls })).find(({ message }) => message.startsWith('net.ipv4.vs.*'))
    expect(line('loadable')).toMatchObject({ run: 'modprobe ip_vs' })
    expect(line('missing')).not.toHaveProperty('run')
    expect(line('missing')).toMatchObject({ cure: 'what the line ip_vs says comes first; then run the doctor again' })
  })

  test('a daemon that runs is no trouble', () => {
    const findings = diagnose({ ...HEALTHY, holder: { pid: 9, command: 'start', since: '2026-01-01T00:00:00Z' } })
    expect(findings.find(({ check }) => check === 'table')).toMatchObject({
      verdict: 'ok',
      message: expect.stringContaining('process 9'),
    })
  })
})

describe('cures', () => {
  const lines = (facts: Partial<DoctorFacts>) =>
    wrong(facts).map(({ check, message, ...rest }) => [`${check}: ${message}`, rest] as const)
  const one = (facts: Partial<DoctorFacts>) => {
    const found = lines(facts)
    expect(found).toHaveLength(1)
    return found[0]
  }
  const configuration = (keys: string, more = '') =>
    configurationOf(`  - { name: web, listen: 10.0.0.1:80, backends: [10.0.1.1:80], ${keys} }\n${more}`)

  test('of every line that is not ok are there, in one of three forms', () => {
    const all: Partial<DoctorFacts>[] = [
      { sysctls: withSysctl('net.ipv4.ip_forward', 0) },
      { otherWriters: [{ pid: 7, program: 'keepalived' }] },
      { holder: 'silent' },
      { kubeInterface: {} },
    ]
    for (const { cure, run } of all.flatMap(wrong)) expect(cure ?? run).toBeDefined()
  })

  test('of sysctls: now, and at every boot, when the module is there', () => {
    const [, cure] = one({ sysctls: withSysctl('net.ipv4.vs.expire_nodest_conn', 0) }) ?? []
    expect(cure).toEqual({
      verdict: 'fail',
      run: 'sysctl -w net.ipv4.vs.expire_nodest_conn=1',
      keep: "echo ip_vs > /etc/modules-load.d/pointsman-ip_vs.conf && printf '%s\\n' net.ipv4.vs.expire_nodest_conn=1 > /etc/sysctl.d/60-pointsman-net.ipv4.vs.expire_nodest_conn.conf",
    })
  })

  test('of processes: by the unit where systemd would start them again, and never of those that the kubelet would', () => {
    expect(one({ otherWriters: [{ pid: 7, program: 'ldirectord' }] })?.[1]).toMatchObject({ run: 'kill 7' })
    expect(one({ otherWriters: [{ pid: 7, program: 'keepalived', unit: 'keepalived.service' }] })?.[1]).toMatchObject({
      cure: expect.stringContaining('start it with --vrrp instead'),
      run: 'systemctl stop keepalived.service',
      keep: 'systemctl disable keepalived.service',
    })
    expect(one({ otherWriters: [{ pid: 7, program: 'kube-proxy' }], kubeInterface: { addresses: 3 } })?.[1]).toEqual({
      verdict: 'fail',
      cure: expect.stringContaining('switch it to the mode iptables or nftables'),
    })
  })

  test('of the other kube programs: a flag for kube-router, and none for kube-proxy in a mode without IPVS', () => {
    expect(one({ otherWriters: [{ pid: 7, program: 'kube-router' }] })?.[1]).toEqual({
      verdict: 'fail',
      cure: expect.stringMatching(/^start it with --run-service-proxy=false, /),
    })
    expect(wrong({ otherWriters: [{ pid: 7, program: 'kube-proxy' }] })).toEqual([])
  })

  test('of kube-ipvs0: no command where kube-proxy may run out of sight, or is at work', () => {
    const of = (facts: Partial<DoctorFacts>) => one(facts)?.[1]
    expect(of({ kubeInterface: { addresses: 0 } })).toMatchObject({ run: 'ip link delete kube-ipvs0' })
    const unseen = { verdict: 'warn', cure: expect.stringContaining('look in the host whether kube-proxy runs') }
    expect(of({ kubeInterface: { addresses: 0 }, seesEveryProcess: false })).toEqual(unseen)
    expect(of({ kubeInterface: {} })).toEqual(unseen)
    expect(of({ kubeInterface: { addresses: 1 } })).toEqual({ verdict: 'fail', cure: expect.stringContaining('once it is gone') })
  })

  test('of keepalived that runs for VRRP alone: it is named, and none is needed', () => {
    const keepalived = { pid: 7, program: 'keepalived', unit: 'keepalived.service' }
    expect(wrong({ addressMovers: [keepalived] })).toEqual([])
    expect(diagnose({ ...HEALTHY, addressMovers: [keepalived] })).toContainEqual({
      check: 'other writer',
      verdict: 'ok',
      message: 'keepalived (process 7) runs for VRRP alone (--vrrp), and writes no IPVS table',
    })
    expect(wrong({ addressMovers: [keepalived], otherWriters: [keepalived] })).toHaveLength(1)
  })

  test('of a holder that says nothing', () => {
    expect(one({ holder: 'silent', silentHolder: { pid: 8, program: 'perl' } })).toEqual([
      'table: perl (process 8) holds the table and does not say who it is: no start can write it',
      { verdict: 'warn', run: 'kill 8' },
    ])
  })

  test('of modules that are missing: what installs them, where the kernel comes without', () => {
    const missing = { ...withoutAnswer({ ipvsModule: 'missing' }) }
    const first = (facts: DoctorFacts) => diagnose(facts).find(({ check }) => check === 'ip_vs')
    expect(first({ ...missing, installer: 'dnf install -y' })?.run).toBe('dnf install -y kernel-modules-6.1.0-18-amd64')
    expect(first({ ...missing, installer: 'apk add' })).toMatchObject({
      cure: expect.stringContaining('boot a kernel that has ip_vs'),
    })
    expect(first({ ...missing, installer: 'apt-get install -y' })?.run).toBeUndefined()
  })

  test('of modules that may not be loaded any more, only a boot', () => {
    const locked: Partial<DoctorFacts> = { schedulers: new Map([['mh', 'loadable']]), modulesLocked: true }
    expect(one(locked)).toEqual([
      'scheduler: ip_vs_mh is not loaded, and this kernel loads no module any more (kernel.modules_disabled is 1)',
      {
        verdict: 'fail',
        cure: expect.stringContaining('boot again'),
        keep: 'echo ip_vs_mh > /etc/modules-load.d/pointsman-ip_vs_mh.conf',
      },
    ])
    expect(wrong({ ...locked, modulesLocked: false })).toEqual([])
  })

  test('of a module that is loadable by others', () => {
    const findings = diagnose(withoutAnswer({ ipvsModule: 'loadable', capabilities: new Set(['CAP_NET_ADMIN']) }))
    expect(findings.find(({ check }) => check === 'ip_vs')).toMatchObject({
      verdict: 'warn',
      run: 'modprobe ip_vs',
      keep: 'echo ip_vs > /etc/modules-load.d/pointsman-ip_vs.conf',
    })
  })

  test('of a crowded table of connections', () => {
    const ipvs = { version: '1.2.1', tableSize: 4096, connections: 4096 * 8 }
    expect(wrong({ ipvs })).toEqual([])
    expect(one({ ipvs: { ...ipvs, connections: 100_000 } })).toEqual([
      'connection table: 100000 connections in a table of 4096 buckets (conn_tab_bits): every packet looks through long chains',
      {
        verdict: 'warn',
        cure: expect.stringContaining('next boot'),
        keep: 'echo options ip_vs conn_tab_bits=17 > /etc/modprobe.d/pointsman-ip_vs.conf',
      },
    ])
  })

  test.each([
    ['5.1.0', 'gue', 'fail'],
    ['5.2.0', 'gue', undefined],
    ['5.2.0', 'gre', 'fail'],
    ['5.3.0', 'gre', undefined],
    ['4.19.0', 'ipip', undefined],
  ] as const)('of Linux %s and tunnels of %s', (kernelRelease, type, verdict) => {
    const sysctls = withSysctl('net.ipv4.vs.conntrack', 0)
    const tunnel = { type, checksum: 'none', port: 6080 } as never
    const found = wrong({ kernelRelease, sysctls, tunnels: [{ service: 'web', tunnel, overhead: 20 }] })
    expect(found.map(({ verdict: each }) => each)).toEqual(verdict === undefined ? [] : [verdict])
  })

  test('of links under tunnels: the largest header of each link counts, and Ethernet that carries more is fine', () => {
    const way = (name: string, mtu: number, overhead: number) => ({
      service: 'web',
      tunnel: { type: 'ipip' } as const,
      overhead,
      link: { name, mtu },
    })
    expect(wrong({ tunnels: [way('eth0', 1520, 20), way('eth1', 9000, 40)] })).toEqual([])
    expect(lines({ tunnels: [way('eth0', 1500, 20), way('eth0', 1500, 40), way('eth1', 1500, 20)] })).toEqual([
      [
        'MTU: packets of more than 1460 bytes do not fit into the ipip tunnels of web (the MTU of eth0 is 1500): clients that hear no ICMP hang',
        expect.objectContaining({ verdict: 'warn', run: 'ip link set dev eth0 mtu 1540' }),
      ],
      [expect.stringContaining('1480 bytes'), expect.objectContaining({ run: 'ip link set dev eth1 mtu 1520' })],
    ])
  })

  test('are safe to paste, whatever interfaces and directories are called', () => {
    const sysctls = ['net.ipv4.conf.a;reboot.accept_local=1']
    expect(one({ lostWaysBack: [{ service: 'web', why: 'x', sysctls }] })?.[1]).toMatchObject({
      run: "sysctl -w 'net.ipv4.conf.a;reboot.accept_local=1'",
      keep: "printf '%s\\n' 'net.ipv4.conf.a;reboot.accept_local=1' > '/etc/sysctl.d/60-pointsman-net.ipv4.conf.a;reboot.accept_local.conf'",
    })
    const path = "/it's $(here)"
    expect(one({ stateDirectory: { path, problem: 'p', errno: 'EACCES', user: 0, missing: true } })?.[1]).toMatchObject({
      run: "mkdir -p / && mkdir '/it'\\''s $(here)' && chown 0 '/it'\\''s $(here)'",
    })
  })

  test('of a reverse path that is strict on one interface only, unless that of all is loose', () => {
    const strict = { sysctls: withSysctl('net.ipv4.conf.all.rp_filter', 0), strictLinks: ['eth0', 'eth1'] }
    expect(one(strict)).toEqual([
      expect.stringContaining('net.ipv4.conf.all.rp_filter is 0, and rp_filter of eth0, eth1 is 1'),
      expect.objectContaining({ verdict: 'warn', run: 'sysctl -w net.ipv4.conf.all.rp_filter=2' }),
    ])
    expect(wrong({ strictLinks: ['eth0'] })).toEqual([])
  })

  test('of probes through the virtual address: all of them in one command', () => {
    const lost = {
      service: 'web',
      why: 'answers are dropped',
      sysctls: ['net.ipv4.conf.eth0.accept_local=1', 'net.ipv4.conf.eth0.rp_filter=2'],
    }
    expect(one({ lostWaysBack: [lost] })).toEqual([
      'probes by the address: probes of web through its address (via: vip) find nothing out: answers are dropped (net.ipv4.conf.eth0.accept_local has to be 1, net.ipv4.conf.eth0.rp_filter has to be 2)',
      {
        verdict: 'fail',
        run: 'sysctl -w net.ipv4.conf.eth0.accept_local=1 net.ipv4.conf.eth0.rp_filter=2',
        keep: expect.stringContaining('> /etc/sysctl.d/60-pointsman-net.ipv4.conf.eth0.rp_filter.conf'),
      },
    ])
    expect(one({ lostWaysBack: [{ ...lost, sysctls: [] }] })?.[1]).toMatchObject({
      cure: expect.stringContaining('probe_source'),
    })
    expect(wrong({ lostWaysBack: [] })).toEqual([])
  })

  test('of the size of connection tracking: in the host where this namespace is another', () => {
    const translated = configuration('full_nat: true')
    const full = { configuration: translated, conntrack: { count: 90, max: 100, buckets: 100 } }
    expect(one(full)?.[1]).toMatchObject({
      run: 'sysctl -w net.netfilter.nf_conntrack_max=200',
      keep: expect.stringMatching(/^echo nf_conntrack > \/etc\/modules-load\.d\/pointsman-nf_conntrack\.conf && /),
    })
    expect(one({ ...full, isHostNamespace: false })?.[1]).toMatchObject({
      run: 'nsenter --net=/proc/1/ns/net sysctl -w net.netfilter.nf_conntrack_max=200',
    })
    expect(one({ configuration: translated, conntrack: { count: 0, max: 262_144, buckets: 16_384 } })).toEqual([
      'conntrack: 262144 connections may be tracked in a hash table of 16384 buckets: looking one up gets slow',
      expect.objectContaining({ verdict: 'warn', run: 'sysctl -w net.netfilter.nf_conntrack_buckets=65536' }),
    ])
    expect(wrong({ configuration: translated, conntrack: { count: 0, max: 131_072, buckets: 16_384 } })).toEqual([])
    const endless = { count: 5, max: Number.POSITIVE_INFINITY, buckets: 16_384 }
    expect(wrong({ configuration: translated, conntrack: endless })).toEqual([])
  })

  test('of a kernel whose IPVS tracks no connections', () => {
    const sysctls = new Map(HEALTHY.sysctls)
    sysctls.delete('net.ipv4.vs.conntrack')
    expect(wrong({ sysctls })).toEqual([])
    expect(one({ sysctls, configuration: configuration('full_nat: true') })).toEqual([
      expect.stringContaining('its IPVS was built without connection tracking'),
      { verdict: 'fail', cure: expect.stringContaining('CONFIG_IP_VS_NFCT') },
    ])
  })

  test('of modules that source NAT and addresses need', () => {
    const modules = new Map([
      ['nf_conntrack', 'missing'],
      ['nft_chain_nat', 'loadable'],
      ['dummy', 'missing'],
    ] as const)
    expect(lines({ modules, installer: 'dnf install -y' })).toEqual([
      [
        'module: the kernel has no nf_conntrack: without it source NAT (full_nat) sees no connection',
        expect.objectContaining({ verdict: 'fail', run: 'dnf install -y kernel-modules-6.1.0-18-amd64' }),
      ],
      [
        expect.stringContaining('virtual addresses outside the networks of this host go to lo'),
        expect.objectContaining({ verdict: 'warn' }),
      ],
    ])
  })

  test('of nftables that is not installed, by what installs it here', () => {
    const nftables = { problem: 'Neither is installed: `apt install nftables` brings both.' }
    expect(one({ configuration: configuration('full_nat: true'), nftables, installer: 'dnf install -y' })?.[1]).toMatchObject({
      run: 'dnf install -y nftables',
    })
    expect(
      one({ configuration: configuration('full_nat: true'), nftables: { problem: 'No rights.' }, installer: 'x' })?.[1],
    ).toEqual({
      verdict: 'fail',
    })
  })

  test('of addresses that are not here: those of services that do not place their own', () => {
    const lostAddresses = new Set(['10.0.0.1', '2001:db8::1'] as never[])
    const six = '  - { name: six, listen: "[2001:db8::1]:80", backends: ["[2001:db8::2]:80"] }\n'
    expect(lines({ configuration: configuration('scheduler: wrr', six), lostAddresses })).toEqual([
      [
        'virtual address: 10.0.0.1 (web) is on no interface of this host: packets to it are not delivered to IPVS',
        expect.objectContaining({ verdict: 'warn', run: 'ip address add 10.0.0.1/32 dev lo' }),
      ],
      [
        expect.stringContaining('2001:db8::1 (six)'),
        expect.objectContaining({ run: 'ip address add 2001:db8::1/128 dev lo nodad preferred_lft 0' }),
      ],
    ])
    expect(wrong({ configuration: configuration('virtual_address: true'), lostAddresses })).toEqual([])
  })

  test('of addresses that are not here where sockets may have any (ip_nonlocal_bind)', async () => {
    // Every socket of Linux may have it, and no interface has it by name.
    const { services } = configurationOf('  - { name: web, listen: 127.0.0.77:80, backends: [10.0.1.1:80] }\n')
    const lost = (value: number, link: string) =>
      lostAddresses(
        { readSysctl: (name) => (name === 'net.ipv4.ip_nonlocal_bind' ? value : 0), linkTowards: () => link },
        services,
      )
    expect(await lost(0, 'eth0')).toEqual(new Set())
    expect(await lost(1, 'eth0')).toEqual(new Set(['127.0.0.77']))
    expect(await lost(1, 'lo')).toEqual(new Set())
  })

  test('of addresses that VRRP moves: words, for the other director answers for them', () => {
    const addressMovers = [{ pid: 7, program: 'keepalived', unit: 'keepalived.service' }]
    const lost = { configuration: configuration('scheduler: wrr'), lostAddresses: new Set(['10.0.0.1'] as never[]) }
    const cure = expect.stringMatching(/^right as it is while another director has the address: keepalived \(process 7\) /)
    expect(one({ ...lost, addressMovers })?.[1]).toEqual({ verdict: 'warn', cure })
    expect(one({ ...lost, seesEveryProcess: false })?.[1]).toEqual({
      verdict: 'warn',
      cure: expect.stringContaining('out of sight'),
    })
    const network = { interfaces: new Set(['eth0']), addresses: new Set<never>() }
    const translated = { configuration: configuration('full_nat: true, snat_ip: 10.0.0.9'), network }
    expect(one({ ...translated, addressMovers })?.[1]).toEqual({ verdict: 'warn', cure })
    expect(one({ ...translated, seesEveryProcess: false })?.[1]).toEqual({
      verdict: 'fail',
      cure: expect.stringContaining('out of sight'),
    })
    expect(one(translated)?.[1]).toMatchObject({ verdict: 'fail', run: 'ip address add 10.0.0.9/32 dev lo' })
  })

  test('of an interface that is switched off', () => {
    const network = { interfaces: new Set(['eth0']), addresses: new Set<never>(), down: new Set(['eth0']) }
    expect(one({ configuration: configuration('virtual_address: { interface: eth0 }'), network })).toEqual([
      'virtual address: the interface eth0, which web names, is switched off',
      expect.objectContaining({ verdict: 'fail', run: 'ip link set dev eth0 up' }),
    ])
  })

  test('of sources that do not answer', () => {
    const sources = [
      { name: 'consul web', services: ['web'], named: 3 },
      { name: 'http https://inventory/', services: ['a', 'b'], failure: 'It refuses: ECONNREFUSED.' },
    ]
    expect(one({ sources })).toEqual([
      'source: http https://inventory/ (a, b) does not answer: It refuses: ECONNREFUSED',
      { verdict: 'fail', cure: expect.stringContaining('last good answer') },
    ])
    expect(diagnose({ ...HEALTHY, sources })).toContainEqual(
      expect.objectContaining({ check: 'source', verdict: 'ok', message: 'consul web (web) answers: 3 backends' }),
    )
  })

  test.each<[string, DoctorFacts['stateDirectory'], object | undefined]>([
    [
      'a file system to read only',
      { path: '/s', problem: 'p', errno: 'EROFS', fileSystem: { kind: 'disk', mount: '/mnt/a b', freeBytes: 1e9 } },
      { verdict: 'fail', run: "mount -o remount,rw '/mnt/a b'" },
    ],
    [
      'a stranger, where it is not there yet',
      { path: '/v/s', problem: 'p', errno: 'EACCES', user: 33, missing: true },
      { verdict: 'fail', run: 'mkdir -p /v && mkdir /v/s && chown 33 /v/s' },
    ],
    [
      'its own user, who may not write it',
      { path: '/s', problem: 'p', errno: 'EACCES', user: 33, owner: 33 },
      { verdict: 'fail', run: 'chmod u+rwx /s' },
    ],
    [
      'a full disk',
      { path: '/s', problem: 'p', errno: 'ENOSPC' },
      { verdict: 'fail', cure: expect.stringContaining('make room') },
    ],
    ['memory', { path: '/s', fileSystem: { kind: 'memory', mount: '/s', freeBytes: 1e9 } }, { verdict: 'warn' }],
    ['another host', { path: '/s', fileSystem: { kind: 'network', mount: '/s', freeBytes: 1e9 } }, { verdict: 'warn' }],
    ['little room', { path: '/s', fileSystem: { kind: 'disk', mount: '/', freeBytes: 1e6 } }, { verdict: 'warn' }],
    ['a disk', { path: '/s', fileSystem: { kind: 'disk', mount: '/', freeBytes: 1e9 } }, undefined],
    ['a path that is too long', { path: '/s', socketPath: 108 }, { verdict: 'fail', check: 'operator socket' }],
    ['a path that just fits', { path: '/s', socketPath: 107 }, undefined],
  ])('of a state directory: %s', (_, stateDirectory, expected) => {
    const found = wrong({ stateDirectory })
    expect(found).toEqual(expected === undefined ? [] : [expect.objectContaining(expected)])
  })

  test.each<[string, Partial<DoctorFacts['stateDirectory']>, DoctorFacts['holder']]>([
    ['that belongs to another', { owner: 998 }, undefined],
    ['that nobody may look into', {}, undefined],
    ['of his own, without its rights', { owner: 33, errno: 'EPERM' }, undefined],
    ['of his own, beside a daemon', { owner: 33 }, { pid: 5, command: 'start', since: '2026-01-01T00:00:00Z' }],
    ['that is not there, beside one that says nothing', { missing: true }, 'silent'],
  ])('of a stranger and a directory %s: words, and no command that would take it away', (_, state, holder) => {
    const stateDirectory = { path: '/var/lib/pointsman', problem: 'p', errno: 'EACCES', user: 33, ...state }
    const found = wrong({ stateDirectory, ...(holder !== undefined && { holder }) })
    const [finding, ...others] = found.filter(({ check }) => check === 'state directory')
    expect(others).toEqual([])
    expect(finding).toMatchObject({ verdict: 'fail', cure: expect.stringContaining('run the doctor as root, or as the user') })
    expect(finding).not.toHaveProperty('run')
  })

  test.each<[string, DoctorFacts['admin'] & object, object | undefined]>([
    ['free', { endpoint: '127.0.0.1:9095' }, undefined],
    [
      'taken',
      { endpoint: '127.0.0.1:9095', errno: 'EADDRINUSE', listener: { pid: 5, program: 'nginx', unit: 'nginx.service' } },
      {
        message: 'nginx (process 5) listens on 127.0.0.1:9095, so a daemon works without it',
        run: 'systemctl stop nginx.service',
      },
    ],
    [
      'taken unseen',
      { endpoint: 'x', errno: 'EADDRINUSE' },
      { cure: expect.stringMatching(/^run the doctor as root, .* or set global\.admin/) },
    ],
    ['foreign', { endpoint: 'x', errno: 'EADDRNOTAVAIL' }, { cure: 'set global.admin to another address' }],
    ['low', { endpoint: 'x', errno: 'EACCES' }, { cure: 'set global.admin to a higher port' }],
    ['odd', { endpoint: 'x', errno: 'EMFILE' }, { message: 'x cannot be used (EMFILE)' }],
  ])('of an admin address that is %s', (_, admin, expected) => {
    const found = wrong({ admin })
    expect(found).toEqual(
      expected === undefined ? [] : [expect.objectContaining({ check: 'admin address', verdict: 'fail', ...expected })],
    )
  })

  test('an admin address that the daemon itself serves is no trouble', () => {
    const holder = { pid: 5, command: 'start', since: '2026-01-01T00:00:00Z' }
    const admin = { endpoint: '127.0.0.1:9095', errno: 'EADDRINUSE', listener: { pid: 5, program: 'node' } }
    expect(wrong({ admin, holder })).toEqual([])
    expect(wrong({ admin, holder: { ...holder, pid: 6 } })).toHaveLength(1)
    // In the container image, whose daemon has its capabilities from its file.
    const hidden = { endpoint: '127.0.0.1:9095', errno: 'EADDRINUSE', hidden: true } as const
    expect(wrong({ admin: hidden, holder })).toEqual([])
    expect(wrong({ admin: { endpoint: hidden.endpoint, errno: hidden.errno }, holder })).toHaveLength(1)
  })

  test('of too few descriptors: of the daemon that runs, else of this shell', () => {
    expect(wrong({ descriptors: { limit: 1256 } })).toEqual([])
    expect(one({ descriptors: { limit: 1255 } })).toEqual([
      'descriptors: a start from here may open 1255 files, and max_probes is 1000: probes beyond that find nothing out',
      { verdict: 'warn', run: 'ulimit -n 65536' },
    ])
    expect(one({ descriptors: { limit: 1024, pid: 9 }, systemd: true })?.[1]).toMatchObject({
      run: 'prlimit --pid 9 --nofile=65536:65536',
      keep: "mkdir -p /etc/systemd/system/pointsman.service.d && printf '%s\\n' '[Service]' 'LimitNOFILE=65536' > /etc/systemd/system/pointsman.service.d/descriptors.conf && systemctl daemon-reload",
    })
  })

  test('of the clock', () => {
    const now = Date.parse('2026-05-01T00:00:00Z')
    expect(wrong({ clock: { now, lastWrite: now + 60_000, isKept: true } })).toEqual([])
    expect(one({ clock: { now: 0 } })?.[0]).toContain('before this program was made')
    expect(one({ clock: { now, lastWrite: now + 600_000 } })?.[0]).toContain('it was set back, or is wrong')
    expect(one({ clock: { now, isKept: false }, systemd: true })).toEqual([
      expect.stringContaining('nothing keeps it in step'),
      { verdict: 'warn', cure: expect.stringContaining('chrony'), run: 'timedatectl set-ntp true' },
    ])
    expect(one({ clock: { now, isKept: false } })?.[1]).toMatchObject({ cure: expect.stringContaining('chrony') })
  })
})

describe('what files of the kernel say', () => {
  test('the unit of a process: of the system, and of no session or container', () => {
    expect(unitIn('0::/system.slice/keepalived.service\n')).toBe('keepalived.service')
    expect(unitIn('12:cpu:/x\n1:name=systemd:/system.slice/nginx.service/worker\n')).toBe('nginx.service')
    expect(unitIn('0::/user.slice/user-0.slice/session-1.scope\n')).toBeUndefined()
    expect(unitIn('0::/system.slice/docker-0123.scope\n')).toBeUndefined()
  })

  test('where a path is mounted: the longest, with spaces in it', () => {
    const info =
      '1 0 8:1 / / rw - ext4 x rw\n2 1 8:2 / /var rw - ext4 x rw\n3 1 8:3 / /var/my\\040state rw - ext4 x rw\n4 1 8:3 / /var/lib2 rw - ext4 x rw'
    expect(['/var/my state/x', '/var/lib', '/srv', '/var/lib2'].map((path) => mountOf(path, info))).toEqual([
      '/var/my state',
      '/var',
      '/',
      '/var/lib2',
    ])
  })

  test('the limit of open files, and what installs packages', () => {
    expect(limitIn('Limit Soft Hard\nMax open files            1024                 4096                 files\n')).toBe(1024)
    expect(limitIn('Max open files            unlimited            unlimited            files\n')).toBe(Number.POSITIVE_INFINITY)
    expect(limitIn('')).toBeUndefined()
    expect(
      ['ID=ubuntu\nID_LIKE=debian', 'ID="rocky"\nID_LIKE="rhel centos fedora"', 'ID=nixos', 'ID=alpine'].map(installerIn),
    ).toEqual(['apt-get install -y', 'dnf install -y', undefined, 'apk add'])
  })

  test('who listens at an address, and at an abstract socket: this process', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    const abstract = createServer().listen('\0pointsman-doctor-test')
    await Promise.all([once(server, 'listening'), once(abstract, 'listening')])
    onTestFinished(() => {
      server.close()
      abstract.close()
    })
    const { port } = server.address() as AddressInfo
    const socket = await listenerOn('127.0.0.1' as IpAddress, port)
    for (const inode of [socket?.inode, await abstractListener('pointsman-doctor-test')]) {
      expect(await holderOfSocket(inode ?? '')).toMatchObject({ pid: process.pid })
    }
    expect(socket?.user).toBe(process.getuid?.())
    // It can see its own.
    expect(await hidesSockets(process.pid, socket?.user ?? -1)).toBe(false)
    expect(await listenerOn('127.0.0.2' as IpAddress, port)).toBeUndefined()
    // Whoever wants every address cannot have this one.
    for (const every of ['0.0.0.0', '::']) expect(await listenerOn(every as IpAddress, port)).toEqual(socket)
    expect(await listenerOn('::1' as IpAddress, port)).toBeUndefined()
    expect(await abstractListener('pointsman-doctor')).toBeUndefined()
  })
})

test('the report: one line each, the cure below it, and a count', () => {
  const text = report(
    [
      { check: 'a', verdict: 'ok', message: 'fine' },
      { check: 'bcd', verdict: 'fail', message: 'broken', cure: 'mend it', run: 'mend --now', keep: 'mend --always' },
    ],
    PLAIN,
  )
  expect(text).toBe(
    'ok    a    fine\nfail  bcd  broken\n           now:  mend --now\n           keep: mend --always\n           -> mend it\n\n1 ok, 0 to look at, 1 failed.',
  )
})

describe('other programs', () => {
  async function procWith(processes: Record<string, { comm: string; cmdline: string[]; net: string }>): Promise<string> {
    const proc = await mkdtemp(join(tmpdir(), 'pointsman-proc-'))
    onTestFinished(() => rm(proc, { recursive: true }))
    for (const [pid, { comm, cmdline, net }] of Object.entries({
      self: { comm: 'node', cmdline: [], net: 'net:[1]' },
      ...processes,
    })) {
      await mkdir(join(proc, pid, 'ns'), { recursive: true })
      await writeFile(join(proc, pid, 'comm'), `${comm}\n`)
      await writeFile(join(proc, pid, 'cmdline'), cmdline.join('\0'))
      await symlink(net, join(proc, pid, 'ns', 'net'))
    }
    return proc
  }

  test('those in this network namespace, once each, scripts by their name', async () => {
    const proc = await procWith({
      10: { comm: 'keepalived', cmdline: ['/usr/sbin/keepalived'], net: 'net:[1]' },
      11: { comm: 'keepalived', cmdline: ['/usr/sbin/keepalived'], net: 'net:[1]' },
      12: { comm: 'perl', cmdline: ['/usr/bin/perl', '-w', '/usr/sbin/ldirectord', 'start'], net: 'net:[1]' },
      13: { comm: 'kube-proxy', cmdline: ['kube-proxy'], net: 'net:[2]' },
      14: { comm: 'vim', cmdline: ['vim', '-R', 'notes', 'keepalived'], net: 'net:[1]' },
    })
    const { otherWriters, addressMovers } = await findOtherPrograms(proc)
    expect(otherWriters.map(({ program, pid }) => `${program} ${pid}`).toSorted()).toEqual(['keepalived 10', 'ldirectord 12'])
    expect(addressMovers.map(({ program }) => program)).toEqual(['keepalived'])
  })

  test.each([
    ['journalctl', '-u', 'keepalived'],
    ['systemctl', 'status', 'keepalived'],
    ['/usr/bin/perl', '-ne', 'print', '/var/log/keepalived'],
    ['apt-get', 'install', 'keepalived'],
    ['bash', '/etc/init.d/keepalived', 'status'],
    ['tail', '-f', '/var/log/pods/kube-proxy'],
  ])('nobody who only names one: %s %s %s', async (...cmdline) => {
    const proc = await procWith({ 10: { comm: basename(cmdline[0] ?? ''), cmdline, net: 'net:[1]' } })
    expect(await findOtherPrograms(proc)).toEqual({ otherWriters: [], addressMovers: [] })
  })

  test('keepalived by what runs of it: one for VRRP alone writes nothing, and hides no other that does', async () => {
    const keepalived = (...args: string[]) => ({ comm: 'keepalived', cmdline: ['keepalived', ...args, ''], net: 'net:[1]' })
    const proc = await procWith({ 10: keepalived('-nlP'), 11: keepalived('-nlP'), 20: keepalived('--check'), 30: keepalived() })
    const { otherWriters, addressMovers } = await findOtherPrograms(proc)
    expect(otherWriters.map(({ pid }) => pid)).toEqual([20, 30])
    expect(addressMovers.map(({ pid }) => pid)).toEqual([10, 30])
  })

  test.each<[string, ReturnType<typeof keepalivedHalf>]>([
    ['--dont-fork --vrrp', 'vrrp'],
    ['-P', 'vrrp'],
    ['-nlPf /etc/k.conf', 'vrrp'],
    ['-DP -S 7', 'vrrp'],
    ['-C', 'check'],
    ['--check --log-console', 'check'],
    ['-P -C', 'both'],
    ['-PC', 'both'],
    ['', 'both'],
    ['-f P', 'both'],
    ['-f/etc/P.conf', 'both'],
    ['-nf /etc/P.conf -D', 'both'],
    ['-f -P', 'both'],
    ['-g/tmp/P', 'both'],
    ['-g -P', 'vrrp'],
    ['-i P', 'both'],
    ['-- -P', 'both'],
    ['--use-file /etc/k.conf -P', 'vrrp'],
    ['-P --all', 'both'],
  ])('keepalived %j runs %s', (args, half) => {
    expect(keepalivedHalf(args.split(' '))).toBe(half)
  })

  test('whether all processes can be seen: by the namespace of the host, and the first process in it', async () => {
    const proc = await procWith({ 1: { comm: 'systemd', cmdline: [], net: 'net:[1]' } })
    const own = join(proc, 'self', 'ns', 'pid')
    await symlink('pid:[4026531836]', own)
    expect(await seesEveryProcess(proc)).toBe(true)
    await rm(join(proc, '1'), { recursive: true })
    expect(await seesEveryProcess(proc)).toBe(false)
    await rm(own)
    await symlink('pid:[4026532001]', own)
    await mkdir(join(proc, '1'))
    await writeFile(join(proc, '1', 'comm'), 'node\n')
    expect(await seesEveryProcess(proc)).toBe(false)
  })

  test('the real /proc can be read', async () => {
    expect(Array.isArray((await findOtherPrograms()).otherWriters)).toBe(true)
  })
})

test.each([
  ['/proc', /^\/proc cannot be written \((ENOENT|EACCES)\)$/],
  ['/proc/pointsman/state', /^\/proc\/pointsman\/state cannot be made in \/proc \((ENOENT|EACCES)\)$/],
])('a state directory that only looks writable is tried: %s', async (stateDir, problem) => {
  const facts = await gatherFacts(new FakeHost(), { configuration: undefined, stateDir, kernelDeadline: 1_000 })
  expect(facts.stateDirectory).toMatchObject({ path: stateDir, problem: expect.stringMatching(problem) })
})

test('trying the state directory leaves nothing behind', async () => {
  const stateDir = await mkdtemp(join(tmpdir(), 'pointsman-doctor-'))
  onTestFinished(() => rm(stateDir, { recursive: true }))
  const facts = await gatherFacts(new FakeHost(), { configuration: undefined, stateDir, kernelDeadline: 1_000 })
  expect(facts.stateDirectory).toMatchObject({ path: stateDir, fileSystem: { freeBytes: expect.any(Number) } })
  expect(facts.stateDirectory.problem).toBeUndefined()
  expect([facts.stateDirectory.owner, facts.stateDirectory.missing]).toEqual([process.getuid?.(), undefined])
  expect(await readdir(stateDir)).toEqual([])
})

test('facts are gathered without making the state directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pointsman-doctor-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const stateDir = join(directory, 'deep', 'state')
  const facts = await gatherFacts(new FakeHost(), { configuration: HEALTHY.configuration, stateDir, kernelDeadline: 1_000 })
  expect(facts).toMatchObject({
    platform: 'linux',
    stateDirectory: { path: stateDir, missing: true },
    record: { origin: { kind: 'none' } },
  })
  expect(facts.sysctls.get('net.ipv4.vs.expire_nodest_conn')).toBe(1)
  expect(await readdir(directory)).toEqual([])
  await writeFile(join(directory, 'deep'), 'a file in the way')
  const blocked = await gatherFacts(new FakeHost(), { configuration: undefined, stateDir, kernelDeadline: 1_000 })
  expect(blocked.stateDirectory.problem).toContain('is not a directory')
})

function withoutAnswer(facts: Partial<DoctorFacts>): DoctorFacts {
  const { ipvs: _, ...rest } = HEALTHY
  return { ...rest, ...facts }
}
