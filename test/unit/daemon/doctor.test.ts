import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { report } from '../../../src/cli/doctor.ts'
import { PLAIN } from '../../../src/cli/terminal.ts'
import { loadConfiguration } from '../../../src/config/load.ts'
import { diagnose } from '../../../src/daemon/doctor/diagnose.ts'
import type { DoctorFacts, Finding } from '../../../src/daemon/doctor/facts.ts'
import { gatherFacts } from '../../../src/daemon/doctor/gather.ts'
import { findOtherWriters } from '../../../src/daemon/doctor/other-writers.ts'
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
  ipvs: { version: '1.2.1' },
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
  kubeInterface: false,
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
    ['a kernel that refuses', { ipvs: { problem: 'No rights.' } }, 'fail', /No rights\./],
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
    ['a trace of kube-proxy', { kubeInterface: true }, 'warn', /kube-ipvs0/],
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
        ['fail Neither libnftables nor nft is here: install nftables.'],
      )
    })

    test('a source address that is not of this host', () => {
      expect(said('full_nat: true, snat_ip: 10.0.0.9-10.0.0.12')).toEqual([
        'fail 10.0.0.10 and 2 more (snat_ip of web) is on no interface of this host, so the replies of backends to it get lost',
      ])
      expect(said('full_nat: true, snat_ip: 10.0.0.1')).toHaveLength(1)
      expect(said('full_nat: true, snat_ip: 10.0.0.1, virtual_address: true')).toEqual([])
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
        'fail The interfaces cannot be read.',
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
    expect(finding?.cure).toMatch(/"sysctl -w net\.ipv6\.conf\.eth0\/7\.accept_ra=2 net\.ipv6\.conf\.all\.forwarding=1"/)
  })

  test('a module that is loadable is no trouble, and its sysctls are not judged', () => {
    const facts = withoutAnswer({ ipvsModule: 'loadable', sysctls: new Map([['net.ipv4.ip_forward', 1]]) })
    const findings = diagnose(facts).filter(({ verdict }) => verdict !== 'ok')
    expect(findings.map(({ message }) => message)).toEqual(['net.ipv4.vs.* is not there before ip_vs is loaded'])
  })

  test('a daemon that runs is no trouble', () => {
    const findings = diagnose({ ...HEALTHY, holder: { pid: 9, command: 'start', since: '2026-01-01T00:00:00Z' } })
    expect(findings.find(({ check }) => check === 'table')).toMatchObject({
      verdict: 'ok',
      message: expect.stringContaining('process 9'),
    })
  })
})

test('the report: one line each, the cure below it, and a count', () => {
  const text = report(
    [
      { check: 'a', verdict: 'ok', message: 'fine' },
      { check: 'bcd', verdict: 'fail', message: 'broken', cure: 'mend it' },
    ],
    PLAIN,
  )
  expect(text).toBe('ok    a    fine\nfail  bcd  broken\n           -> mend it\n\n1 ok, 0 to look at, 1 failed.')
})

describe('other writers', () => {
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
    expect((await findOtherWriters(proc)).map(({ program }) => program).toSorted()).toEqual(['keepalived', 'ldirectord'])
  })

  test('the real /proc can be read', async () => {
    expect(Array.isArray(await findOtherWriters())).toBe(true)
  })
})

test.each([
  ['/proc', /^\/proc cannot be written \((ENOENT|EACCES)\)$/],
  ['/proc/pointsman/state', /^\/proc\/pointsman\/state cannot be made in \/proc \((ENOENT|EACCES)\)$/],
])('a state directory that only looks writable is tried: %s', async (stateDir, problem) => {
  const facts = await gatherFacts(new FakeHost(), { configuration: undefined, stateDir, kernelDeadline: 1_000 })
  expect(facts.stateDirectory).toEqual({ path: stateDir, problem: expect.stringMatching(problem) })
})

test('trying the state directory leaves nothing behind', async () => {
  const stateDir = await mkdtemp(join(tmpdir(), 'pointsman-doctor-'))
  onTestFinished(() => rm(stateDir, { recursive: true }))
  const facts = await gatherFacts(new FakeHost(), { configuration: undefined, stateDir, kernelDeadline: 1_000 })
  expect(facts.stateDirectory).toEqual({ path: stateDir })
  expect(await readdir(stateDir)).toEqual([])
})

test('facts are gathered without making the state directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pointsman-doctor-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const stateDir = join(directory, 'deep', 'state')
  const facts = await gatherFacts(new FakeHost(), { configuration: HEALTHY.configuration, stateDir, kernelDeadline: 1_000 })
  expect(facts).toMatchObject({ platform: 'linux', stateDirectory: { path: stateDir }, record: { origin: { kind: 'none' } } })
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
