/**
 * The IPVS protocol on a real kernel, with ipvsadm as witness: what we write it must see, what it writes we must read, and
 * what we read must be what we wrote.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { IpvsCommand } from '../../src/kernel/for-sinks.ts'
import { type IpAddress, parseAddress } from '../../src/model/address.ts'
import type { Destination, Forwarding } from '../../src/model/destination.ts'
import type { Persistence, Protocol, ServiceIdentity, VirtualService } from '../../src/model/virtual-service.ts'
import type { Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import type { PlainService } from './guest/ipvs-step.ts'
import { ipvsSteps } from './support/ipvs-steps.ts'
import { type PrivateNamespace, privateNamespace } from './support/namespace.ts'
import { tableLines } from './support/table.ts'

const NAMESPACE = 'ipvs-codec'
const SAVE = { do: 'witness', command: ['ipvsadm', '-Sn'] } as const
const FLUSH = { do: 'write', commands: [{ kind: 'flush' }] } as const

let lab: Lab
let namespace: PrivateNamespace
beforeAll(async () => {
  lab = await sharedLab()
  namespace = await privateNamespace(lab, NAMESPACE)
})
afterAll(async () => {
  await namespace[Symbol.asyncDispose]()
  await lab.close()
})

const ip = (text: string): IpAddress => parseAddress(text) as IpAddress
const flags = (bits = 0) => ({ flag1: (bits & 1) !== 0, flag2: (bits & 2) !== 0, flag3: (bits & 4) !== 0 })
const at = (protocol: Protocol, address: string, port: number): ServiceIdentity => ({
  kind: 'address',
  protocol,
  address: ip(address),
  port,
})
const mark = (fwmark: number, family: 'ipv4' | 'ipv6'): ServiceIdentity => ({ kind: 'fwmark', fwmark, family })

function service(identity: ServiceIdentity, rest: Partial<VirtualService> = {}): VirtualService {
  return { identity, scheduler: 'wrr', flags: flags(), onePacket: false, ...rest }
}

function server(address: string, port: number, rest: Partial<Destination> = {}): Destination {
  return { address: ip(address), port, forwarding: { method: 'nat' }, weight: 1, upperThreshold: 0, lowerThreshold: 0, ...rest }
}

const nat: Forwarding = { method: 'nat' }
const direct: Forwarding = { method: 'direct' }
const local: Forwarding = { method: 'local' }
const ipip: Forwarding = { method: 'tunnel', tunnel: { type: 'ipip' } }
const gue = (port: number, checksum: 'none' | 'checksum' | 'remote-checksum'): Forwarding => ({
  method: 'tunnel',
  tunnel: { type: 'gue', port, checksum },
})
const gre = (checksum: 'none' | 'checksum'): Forwarding => ({ method: 'tunnel', tunnel: { type: 'gre', checksum } })
const sticky = (timeout: number, mask: number): { persistence: Persistence } => ({ persistence: { timeout, mask } })

/** A service, its destinations, and how ipvsadm says each of them. */
interface Case {
  readonly service: VirtualService
  readonly said: string
  readonly servers: readonly (readonly [Destination, string])[]
}

const CASES: readonly Case[] = [
  {
    service: service(at('tcp', '10.0.0.1', 80)),
    said: '-t 10.0.0.1:80 -s wrr',
    servers: [
      [server('10.1.0.1', 8080, { weight: 0 }), '-r 10.1.0.1:8080 -m -w 0'],
      [server('10.1.0.2', 8080, { weight: 65535 }), '-r 10.1.0.2:8080 -m -w 65535'],
      [server('10.1.0.3', 65535, { weight: 3, upperThreshold: 2147483647, lowerThreshold: 7 }), '-r 10.1.0.3:65535 -m -w 3'],
      [server('10.1.0.4', 80, { forwarding: direct }), '-r 10.1.0.4:80 -g -w 1'],
      // ipvsadm saves what it has no word for (local) as direct.
      [server('127.0.0.1', 80, { forwarding: local }), '-r 127.0.0.1:80 -g -w 1'],
      [server('10.1.0.5', 80, { forwarding: ipip }), '-r 10.1.0.5:80 -i -w 1 --tun-type ipip'],
      [
        server('10.1.0.6', 80, { forwarding: gue(6080, 'none') }),
        '-r 10.1.0.6:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum',
      ],
      [
        server('10.1.0.7', 80, { forwarding: gue(6081, 'checksum') }),
        '-r 10.1.0.7:80 -i -w 1 --tun-type gue --tun-port 6081 --tun-csum',
      ],
      [
        server('10.1.0.8', 80, { forwarding: gue(6082, 'remote-checksum') }),
        '-r 10.1.0.8:80 -i -w 1 --tun-type gue --tun-port 6082 --tun-remcsum',
      ],
      [server('10.1.0.9', 80, { forwarding: gre('none') }), '-r 10.1.0.9:80 -i -w 1 --tun-type gre --tun-nocsum'],
      [server('10.1.0.10', 80, { forwarding: gre('checksum') }), '-r 10.1.0.10:80 -i -w 1 --tun-type gre --tun-csum'],
      [server('fd00::5', 80, { forwarding: ipip }), '-r [fd00::5]:80 -i -w 1 --tun-type ipip'],
    ],
  },
  {
    service: service(at('udp', '10.0.0.1', 53), { scheduler: 'rr', onePacket: true }),
    said: '-u 10.0.0.1:53 -s rr -o',
    servers: [[server('10.1.0.1', 53), '-r 10.1.0.1:53 -m -w 1']],
  },
  {
    service: service(at('sctp', '10.0.0.1', 3868), { scheduler: 'wlc' }),
    said: '--sctp-service 10.0.0.1:3868 -s wlc',
    servers: [[server('10.1.0.1', 3868), '-r 10.1.0.1:3868 -m -w 1']],
  },
  {
    service: service(at('tcp', '2001:db8::1', 443), { scheduler: 'sh', flags: flags(3) }),
    said: '-t [2001:db8::1]:443 -s sh -b sh-fallback,sh-port',
    servers: [
      [server('fd00::1', 443), '-r [fd00::1]:443 -m -w 1'],
      [server('fd00::2', 443, { forwarding: direct, weight: 9 }), '-r [fd00::2]:443 -g -w 9'],
    ],
  },
  {
    service: service(at('udp', '2001:db8::1', 53), { scheduler: 'mh', flags: flags(1) }),
    said: '-u [2001:db8::1]:53 -s mh -b mh-fallback',
    servers: [[server('fd00::1', 53), '-r [fd00::1]:53 -m -w 1']],
  },
  {
    service: service(at('sctp', '2001:db8::1', 3868), { scheduler: 'lc', ...sticky(120, 64) }),
    said: '--sctp-service [2001:db8::1]:3868 -s lc -p 120 -M 64',
    servers: [[server('fd00::1', 3868), '-r [fd00::1]:3868 -m -w 1']],
  },
  {
    service: service(mark(7, 'ipv4'), { scheduler: 'dh', flags: flags(7), ...sticky(300, 0xffffff00) }),
    said: '-f 7 -s dh -p 300 -M 255.255.255.0 -b flag-1,flag-2,flag-3',
    servers: [[server('10.1.0.1', 0, { forwarding: direct }), '-r 10.1.0.1:0 -g -w 1']],
  },
  {
    service: service(mark(2147483647, 'ipv6'), { scheduler: 'lblcr', ...sticky(60, 128) }),
    said: '-f 2147483647 -6 -s lblcr -p 60',
    servers: [[server('fd00::1', 0), '-r [fd00::1]:0 -m -w 1']],
  },
  {
    service: service(at('tcp', '10.0.0.2', 0), { scheduler: 'nq', ...sticky(2678400, 0xffffffff) }),
    said: '-t 10.0.0.2:0 -s nq -p 2678400',
    servers: [[server('10.1.0.1', 0), '-r 10.1.0.1:0 -m -w 1']],
  },
]

/** The schedulers that have no case of their own above. */
const OTHER_SCHEDULERS = ['fo', 'ovf', 'lblc', 'sed']

function commands(): IpvsCommand[] {
  return CASES.flatMap(({ service: it, servers }) => [
    { kind: 'add-service', service: it } as const,
    ...servers.map(([destination]) => ({ kind: 'add-destination', service: it.identity, destination }) as const),
  ])
}

/** What ipvsadm 1.31 writes for all cases: a service's own words without the ones that it writes last. */
function saidLines(): string[] {
  return tableLines(
    CASES.flatMap(({ said, servers }) => {
      const name = said.replace(/ -s .*/, '')
      return [`-A ${said}`, ...servers.map(([, words]) => `-a ${name} ${words}`)]
    }).join('\n'),
  )
}

const keyOf = (identity: ServiceIdentity) => JSON.stringify(identity)

/** Services and destinations alone, sorted: what was written must come back. */
function configuration(table: readonly PlainService[]): unknown {
  return table
    .map(({ service: it, destinations }) => ({
      service: it,
      servers: destinations
        .map(({ destination }) => destination)
        .sort((a, b) => (a.address + a.port < b.address + b.port ? -1 : 1)),
    }))
    .sort((a, b) => (keyOf(a.service.identity) < keyOf(b.service.identity) ? -1 : 1))
}

function wanted(written: (destination: Destination) => Destination = (destination) => destination): unknown {
  return configuration(
    CASES.map(({ service: it, servers }) => ({
      service: it,
      destinations: servers.map(([destination]) => ({
        destination: written(destination),
        connections: { active: 0, inactive: 0, persistent: 0 },
      })),
    })),
  )
}

describe('what we write', () => {
  test('ipvsadm sees and we read back, attribute by attribute', async () => {
    const [, report, saved, thresholds, table, again] = await ipvsSteps(lab, NAMESPACE, [
      FLUSH,
      { do: 'write', commands: commands() },
      SAVE,
      { do: 'witness', command: ['ipvsadm', '-Ln', '--thresholds'] },
      { do: 'read', statistics: true },
      { do: 'read' },
    ])
    expect(report.failures).toEqual([])
    expect(tableLines(saved)).toEqual(saidLines())
    expect(thresholds).toMatch(/10\.1\.0\.3:65535\s+2147483647\s+7\s/)
    expect(configuration(table)).toEqual(wanted())
    expect(configuration(again)).toEqual(wanted())
  })

  test('every other scheduler is taken by its name, one that this kernel lacks is refused with ENOENT', async () => {
    const services = [...OTHER_SCHEDULERS, 'nosuch'].map((scheduler, index) =>
      service(at('tcp', '10.0.1.1', index + 1), { scheduler }),
    )
    const [, report, saved] = await ipvsSteps(lab, NAMESPACE, [
      FLUSH,
      { do: 'write', commands: services.map((it) => ({ kind: 'add-service', service: it }) as const) },
      SAVE,
    ])
    expect(report.failures).toEqual([{ index: OTHER_SCHEDULERS.length, errno: 'ENOENT' }])
    expect(tableLines(saved)).toEqual(
      tableLines(OTHER_SCHEDULERS.map((name, index) => `-A -t 10.0.1.1:${index + 1} -s ${name}`).join('\n')),
    )
  })

  test('edits change what they name and keep all else', async () => {
    const identity = at('udp', '10.0.0.1', 5060)
    const before = service(identity, { persistence: { timeout: 60, mask: 0xffffffff, engine: 'sip' } })
    const after = service(identity, { scheduler: 'wlc', persistence: { timeout: 90, mask: 0xffff0000, engine: 'sip' } })
    const tunnelled = server('10.1.0.1', 5060, { forwarding: gue(6080, 'checksum'), upperThreshold: 100, lowerThreshold: 50 })
    const [, report, saved, table] = await ipvsSteps(lab, NAMESPACE, [
      FLUSH,
      {
        do: 'write',
        commands: [
          { kind: 'add-service', service: before },
          { kind: 'add-destination', service: identity, destination: tunnelled },
          { kind: 'edit-service', service: after },
          { kind: 'edit-destination', service: identity, destination: { ...tunnelled, weight: 4 } },
        ],
      },
      SAVE,
      { do: 'read' },
    ])
    expect(report.failures).toEqual([])
    expect(tableLines(saved)).toEqual(
      tableLines(`-A -u 10.0.0.1:5060 -s wlc -p 90 -M 255.255.0.0 --pe sip
        -a -u 10.0.0.1:5060 -r 10.1.0.1:5060 -i -w 4 --tun-type gue --tun-port 6080 --tun-csum`),
    )
    expect(table[0]?.service).toEqual(after)
    expect(table[0]?.destinations.map(({ destination }) => destination)).toEqual([{ ...tunnelled, weight: 4 }])
  })

  test('persistence and flags are taken away again', async () => {
    const identity = at('tcp', '10.0.0.1', 80)
    const [, report, saved] = await ipvsSteps(lab, NAMESPACE, [
      FLUSH,
      {
        do: 'write',
        commands: [
          { kind: 'add-service', service: service(identity, { scheduler: 'sh', flags: flags(7), ...sticky(60, 0xffffff00) }) },
          { kind: 'edit-service', service: service(identity, { scheduler: 'sh' }) },
        ],
      },
      SAVE,
    ])
    expect(report.failures).toEqual([])
    expect(tableLines(saved)).toEqual(['-A -t 10.0.0.1:80 -s sh'])
  })

  test('deletions take what they name alone', async () => {
    const [first, second] = [at('tcp', '10.0.0.1', 80), at('tcp', '10.0.0.1', 81)]
    const [, report, saved] = await ipvsSteps(lab, NAMESPACE, [
      FLUSH,
      {
        do: 'write',
        commands: [
          { kind: 'add-service', service: service(first) },
          { kind: 'add-service', service: service(second) },
          { kind: 'add-destination', service: first, destination: server('10.1.0.1', 80, { forwarding: nat }) },
          { kind: 'add-destination', service: first, destination: server('10.1.0.1', 81) },
          { kind: 'add-destination', service: first, destination: server('fd00::1', 80, { forwarding: ipip }) },
          { kind: 'delete-destination', service: first, destination: { address: ip('10.1.0.1'), port: 80 } },
          { kind: 'delete-destination', service: first, destination: { address: ip('fd00::1'), port: 80 } },
          { kind: 'delete-service', service: second },
        ],
      },
      SAVE,
    ])
    expect(report.failures).toEqual([])
    expect(tableLines(saved)).toEqual(tableLines('-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 10.1.0.1:81 -m -w 1'))
  })
})

test('what ipvsadm restores we read, attribute by attribute', async () => {
  await lab.check(['ipvsadm', '-C'], { netns: NAMESPACE })
  const lines = CASES.flatMap(({ said, servers }) => {
    const name = said.replace(/ -s .*/, '')
    return [`-A ${said}`, ...servers.map(([it, words]) => `-a ${name} ${words}${thresholdWords(it)}`)]
  })
  await lab.check(['ipvsadm', '--restore'], { netns: NAMESPACE, input: `${lines.join('\n')}\n` })
  const [table] = await ipvsSteps(lab, NAMESPACE, [{ do: 'read' }])
  const asRestored = (it: Destination): Destination => (it.forwarding.method === 'local' ? { ...it, forwarding: direct } : it)
  expect(configuration(table)).toEqual(wanted(asRestored))
})

/** ipvsadm does not save thresholds, but takes them (as signed numbers). */
function thresholdWords({ upperThreshold, lowerThreshold }: Destination): string {
  return upperThreshold === 0 ? '' : ` -x ${upperThreshold} -y ${lowerThreshold}`
}

describe('settings of the whole table', () => {
  test('timeouts: those that are given are set, the others stay', async () => {
    const [, first, , second, witness] = await ipvsSteps(lab, NAMESPACE, [
      { do: 'write', commands: [{ kind: 'set-timeouts', timeouts: { tcp: 900, tcpFin: 120, udp: 300 } }] },
      { do: 'read-timeouts' },
      { do: 'write', commands: [{ kind: 'set-timeouts', timeouts: { tcpFin: 33 } }] },
      { do: 'read-timeouts' },
      { do: 'witness', command: ['ipvsadm', '-Ln', '--timeout'] },
    ])
    expect(first).toEqual({ tcp: 900, tcpFin: 120, udp: 300 })
    expect(second).toEqual({ tcp: 900, tcpFin: 33, udp: 300 })
    expect(witness).toContain('Timeout (tcp tcpfin udp): 900 33 300')
  })

  test('sync daemons: both roles with all their settings, as the kernel fills them in', async () => {
    await lab.check('ip link add sync0 type dummy; ip addr add 192.0.2.1/24 dev sync0; ip link set sync0 up', {
      netns: NAMESPACE,
    })
    const master = {
      role: 'master',
      interface: 'sync0',
      id: 7,
      maximumLength: 1200,
      group: '224.0.0.99',
      port: 9999,
      ttl: 3,
    } as const
    const [, started, daemons, witness, stopped, left] = await ipvsSteps(lab, NAMESPACE, [
      FLUSH,
      {
        do: 'write',
        commands: [
          { kind: 'start-sync-daemon', daemon: master },
          { kind: 'start-sync-daemon', daemon: { role: 'backup', interface: 'sync0', id: 0 } },
        ],
      },
      { do: 'read-sync-daemons' },
      { do: 'witness', command: ['ipvsadm', '-Ln', '--daemon'] },
      { do: 'write', commands: [{ kind: 'stop-sync-daemon', role: 'master' }] },
      { do: 'read-sync-daemons' },
    ])
    expect(started.failures).toEqual([])
    expect(daemons[0]).toEqual(master)
    expect(daemons[1]).toMatchObject({ role: 'backup', interface: 'sync0', id: 0, group: '224.0.0.81', port: 8848 })
    expect(witness).toMatch(/master sync daemon \(mcast=sync0, syncid=7, maxlen=1200, group=224\.0\.0\.99, port=9999, ttl=3\)/)
    expect(stopped.failures).toEqual([])
    expect(left).toHaveLength(1)
    await ipvsSteps(lab, NAMESPACE, [{ do: 'write', commands: [{ kind: 'stop-sync-daemon', role: 'backup' }] }])
  })

  test('counters go to zero for one service or for all', async () => {
    // The kernel adds its per-CPU counters up every two seconds, and shows nothing newer.
    const [first, second] = [at('udp', '10.0.0.1', 53), at('udp', '10.0.0.2', 53)]
    const send = (address: string) =>
      ({
        do: 'witness',
        command: [
          'bash',
          '-c',
          `ip addr replace ${address}/32 dev lo; for i in 1 2 3; do echo x > /dev/udp/${address}/53; done; sleep 3`,
        ],
      }) as const
    const connections = (table: readonly PlainService[]) =>
      table.map(({ service: it, destinations }) => [it.identity, destinations[0]?.counters?.packetsIn])
    const [, , , , filled, , one, , all] = await ipvsSteps(lab, NAMESPACE, [
      FLUSH,
      {
        do: 'write',
        commands: [first, second].flatMap((identity) => [
          { kind: 'add-service', service: service(identity) } as const,
          { kind: 'add-destination', service: identity, destination: server('127.0.0.1', 5353, { forwarding: nat }) } as const,
        ]),
      },
      send('10.0.0.1'),
      send('10.0.0.2'),
      { do: 'read', statistics: true },
      { do: 'write', commands: [{ kind: 'zero', service: first }] },
      { do: 'read', statistics: true },
      { do: 'write', commands: [{ kind: 'zero' }] },
      { do: 'read', statistics: true },
    ])
    expect(connections(filled)).toEqual(
      expect.arrayContaining([
        [first, 3],
        [second, 3],
      ]),
    )
    expect(connections(one)).toEqual(
      expect.arrayContaining([
        [first, 0],
        [second, 3],
      ]),
    )
    expect(connections(all)).toEqual(
      expect.arrayContaining([
        [first, 0],
        [second, 0],
      ]),
    )
  })

  test('the version of IPVS', async () => {
    const [info] = await ipvsSteps(lab, NAMESPACE, [{ do: 'info' }])
    expect(info).toEqual({ version: '1.2.1', connectionTableSize: expect.any(Number) })
    expect(info.connectionTableSize).toBeGreaterThan(0)
  })
})
