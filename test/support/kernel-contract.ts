import assert from 'node:assert/strict'
import type { IpvsCommand, IpvsKernel } from '../../src/kernel/for-sinks.ts'
import type { Destination, Forwarding } from '../../src/model/destination.ts'
import type { SyncDaemon } from '../../src/model/ipvs-table.ts'
import { serviceKey, type VirtualService } from '../../src/model/virtual-service.ts'
import { held, identity, key, virtual } from './desired.ts'
import { withFlush } from './flush.ts'

/** What a check may use besides the kernel. */
export interface ContractGround {
  /** A link that is up and has an address. */
  readonly link: string
}

export interface ContractCheck {
  readonly name: string
  readonly run: (kernel: IpvsKernel, ground: ContractGround) => Promise<void>
}

const WEB = 'tcp/10.66.0.1:80'
const A = '10.66.1.1:80'
const web = identity(WEB)
const webKey = serviceKey(web)

const addWeb: IpvsCommand = { kind: 'add-service', service: virtual(WEB) }
const add = (text: string, more: Partial<Destination> = {}): IpvsCommand => ({
  kind: 'add-destination',
  service: web,
  destination: held(text, more),
})
const edit = (text: string, more: Partial<Destination> = {}): IpvsCommand => ({
  kind: 'edit-destination',
  service: web,
  destination: held(text, more),
})
const remove = (text: string): IpvsCommand => ({ kind: 'delete-destination', service: web, destination: held(text) })

/** The commands give these errors, each by the position of its command. */
async function expectFailures(
  kernel: IpvsKernel,
  commands: readonly IpvsCommand[],
  failures: readonly [number, string][],
): Promise<void> {
  const report = await kernel.write(commands)
  assert.deepEqual(
    report.failures.map(({ index, errno }) => [index, errno]),
    failures,
  )
  assert.equal(report.sent, commands.length)
}

async function destinations(kernel: IpvsKernel): Promise<Destination[]> {
  const reading = (await kernel.readServices([web])).get(webKey)
  return [...(reading?.destinations.values() ?? [])].map(({ destination }) => destination)
}

async function readBack(kernel: IpvsKernel, service: VirtualService): Promise<VirtualService | undefined> {
  return (await kernel.readServices([service.identity])).get(serviceKey(service.identity))?.service
}

/**
 * What the sink relies on in a kernel. The same checks run against the one in memory and against a real one, so that a
 * test on the former proves something about the latter. Each starts from an empty table.
 */
export const KERNEL_CONTRACT: readonly ContractCheck[] = [
  {
    name: 'a service that is there cannot be added, one that is not can be neither edited nor deleted',
    run: async (kernel) => {
      const editWeb: IpvsCommand = { kind: 'edit-service', service: virtual(WEB, { scheduler: 'rr' }) }
      const deleteWeb: IpvsCommand = { kind: 'delete-service', service: web }
      await expectFailures(
        kernel,
        [editWeb, deleteWeb, addWeb, addWeb, editWeb, deleteWeb, deleteWeb],
        [
          [0, 'ESRCH'],
          [1, 'ESRCH'],
          [3, 'EEXIST'],
          [6, 'ESRCH'],
        ],
      )
    },
  },
  {
    name: 'the same for destinations',
    run: async (kernel) => {
      await expectFailures(
        kernel,
        [add(A), edit(A), remove(A)],
        [
          [0, 'ESRCH'],
          [1, 'ESRCH'],
          [2, 'ESRCH'],
        ],
      )
      await expectFailures(
        kernel,
        [addWeb, edit(A), remove(A), add(A), add(A), edit(A, { weight: 3 })],
        [
          [1, 'ENOENT'],
          [2, 'ENOENT'],
          [4, 'EEXIST'],
        ],
      )
      assert.deepEqual(await destinations(kernel), [held(A, { weight: 3 })])
      await expectFailures(kernel, [remove(A)], [])
      assert.deepEqual(await destinations(kernel), [])
    },
  },
  {
    name: 'an unknown scheduler or engine is ENOENT, and an edit that fails changes nothing',
    run: async (kernel) => {
      const persistence = { timeout: 10, mask: 0xffffffff, engine: 'nosuch' }
      const bad: IpvsCommand[] = [
        { kind: 'add-service', service: virtual(WEB, { scheduler: 'nosuch' }) },
        addWeb,
        { kind: 'edit-service', service: virtual(WEB, { scheduler: 'nosuch' }) },
        { kind: 'edit-service', service: virtual(WEB, { scheduler: 'rr', persistence }) },
      ]
      await expectFailures(kernel, bad, [
        [0, 'ENOENT'],
        [2, 'ENOENT'],
        [3, 'ENOENT'],
      ])
      assert.equal((await readBack(kernel, virtual(WEB)))?.scheduler, 'wlc')
    },
  },
  {
    name: 'deleting a service deletes what is in it',
    run: async (kernel) => {
      await expectFailures(kernel, [addWeb, add(A), { kind: 'delete-service', service: web }, addWeb], [])
      assert.deepEqual(await destinations(kernel), [])
    },
  },
  {
    // Above 2^31 - 1 kernels differ, also those of one Debian release: some refuse it, hence the limit of the configuration.
    name: 'thresholds: the lower one not above the upper one',
    run: async (kernel) => {
      const commands = [
        addWeb,
        add(A, { upperThreshold: 5, lowerThreshold: 7 }),
        add(A, { upperThreshold: 0x7fffffff, lowerThreshold: 0x7fffffff }),
        edit(A, { upperThreshold: 0, lowerThreshold: 1 }),
      ]
      await expectFailures(kernel, commands, [
        [1, 'ERANGE'],
        [3, 'ERANGE'],
      ])
      assert.deepEqual(await destinations(kernel), [held(A, { upperThreshold: 0x7fffffff, lowerThreshold: 0x7fffffff })])
    },
  },
  {
    name: 'a destination of the other family needs a tunnel',
    run: async (kernel) => {
      const tunnel = { method: 'tunnel', tunnel: { type: 'ipip' } } as const
      const commands = [
        addWeb,
        add('[fd66::1]:80'),
        add('[fd66::1]:80', { forwarding: { method: 'direct' } }),
        add('[fd66::1]:80', { forwarding: tunnel }),
      ]
      await expectFailures(kernel, commands, [
        [1, 'EINVAL'],
        [2, 'EINVAL'],
      ])
    },
  },
  {
    name: 'a gue tunnel needs a port',
    run: async (kernel) => {
      const gue = (port: number): Forwarding => ({ method: 'tunnel', tunnel: { type: 'gue', port, checksum: 'none' } })
      await expectFailures(kernel, [addWeb, add(A, { forwarding: gue(0) }), add(A, { forwarding: gue(6080) })], [[1, 'EINVAL']])
    },
  },
  {
    name: 'every attribute of a destination can be edited in place',
    run: async (kernel) => {
      const steps: Partial<Destination>[] = [
        { weight: 0 },
        { weight: 65_535, forwarding: { method: 'direct' } },
        { forwarding: { method: 'local' } },
        { forwarding: { method: 'tunnel', tunnel: { type: 'ipip' } }, upperThreshold: 10 },
        {
          forwarding: { method: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'remote-checksum' } },
          upperThreshold: 10,
          lowerThreshold: 5,
        },
        { forwarding: { method: 'tunnel', tunnel: { type: 'gre', checksum: 'checksum' } } },
        {},
      ]
      await expectFailures(kernel, [addWeb, add(A)], [])
      for (const step of steps) {
        await expectFailures(kernel, [edit(A, step)], [])
        assert.deepEqual(await destinations(kernel), [held(A, step)])
      }
    },
  },
  {
    name: 'every attribute of a service can be edited in place, and its destinations stay',
    run: async (kernel) => {
      const steps: Partial<VirtualService>[] = [
        { scheduler: 'mh', flags: { flag1: true, flag2: true, flag3: false } },
        { scheduler: 'rr', flags: { flag1: false, flag2: false, flag3: true }, persistence: { timeout: 300, mask: 0xffffff00 } },
        { persistence: { timeout: 1, mask: 0 } },
        {},
      ]
      await expectFailures(kernel, [addWeb, add(A)], [])
      for (const step of steps) {
        await expectFailures(kernel, [{ kind: 'edit-service', service: virtual(WEB, step) }], [])
        assert.deepEqual(await readBack(kernel, virtual(WEB)), virtual(WEB, step))
        assert.deepEqual(await destinations(kernel), [held(A)])
      }
    },
  },
  {
    name: 'services of every kind come back as they were written',
    run: async (kernel) => {
      const services = [
        virtual('udp/10.66.0.1:53', { onePacket: true, scheduler: 'rr' }),
        virtual('sctp/[fd66::1]:80', { persistence: { timeout: 60, mask: 64 } }),
        virtual('fwmark/66/ipv4', { onePacket: true }),
        virtual('fwmark/66/ipv6', { scheduler: 'sh', flags: { flag1: true, flag2: false, flag3: true } }),
        virtual('tcp/[fd66::1]:0', { persistence: { timeout: 60, mask: 128 } }),
      ]
      await expectFailures(
        kernel,
        services.map((service) => ({ kind: 'add-service', service })),
        [],
      )
      for (const service of services) assert.deepEqual(await readBack(kernel, service), service)
      assert.equal((await kernel.readTable()).size, services.length)
    },
  },
  {
    name: 'an IPv6 persistence mask is a prefix length of 1 to 128',
    run: async (kernel) => {
      const of = (mask: number): IpvsCommand => ({
        kind: 'add-service',
        service: virtual('tcp/[fd66::1]:80', { persistence: { timeout: 60, mask } }),
      })
      await expectFailures(
        kernel,
        [of(0), of(129), of(1)],
        [
          [0, 'EINVAL'],
          [1, 'EINVAL'],
        ],
      )
    },
  },
  {
    name: 'what is expected and not there is not in the answer, alone or in the whole table',
    run: async (kernel) => {
      await expectFailures(kernel, [addWeb, add(A)], [])
      const expected = new Map([
        [web, new Set([key(A), key('10.66.1.9:80')])],
        [identity('tcp/10.66.0.9:80'), new Set([key(A)])],
      ])
      for (const table of [await kernel.readTable({ expected }), await kernel.readServices([...expected.keys()], { expected })]) {
        assert.deepEqual([...table.keys()], [webKey])
        assert.deepEqual([...(table.get(webKey)?.destinations.keys() ?? [])], [key(A)])
      }
    },
  },
  {
    name: 'statistics come when they are asked for',
    run: async (kernel) => {
      await expectFailures(kernel, [addWeb, add(A)], [])
      const plain = (await kernel.readTable()).get(webKey)
      assert.equal(plain?.counters, undefined)
      const counted = (await kernel.readTable({ statistics: true })).get(webKey)
      assert.equal(counted?.counters?.connections, 0n)
      assert.equal(counted?.destinations.get(key(A))?.counters?.bytesOut, 0n)
      assert.deepEqual(counted?.destinations.get(key(A))?.connections, { active: 0, inactive: 0, persistent: 0 })
    },
  },
  {
    name: 'timeouts are set one by one, 0 leaves them, and nonsense is refused',
    run: async (kernel) => {
      const before = await kernel.readTimeouts()
      await expectFailures(kernel, [{ kind: 'set-timeouts', timeouts: { tcp: 777, udp: 0 } }], [])
      assert.deepEqual(await kernel.readTimeouts(), { ...before, tcp: 777 })
      await expectFailures(kernel, [{ kind: 'set-timeouts', timeouts: { udp: 0xffffffff } }], [[0, 'EINVAL']])
      await expectFailures(kernel, [{ kind: 'set-timeouts', timeouts: before }], [])
    },
  },
  {
    name: 'the largest message of a sync daemon is limited in silence',
    run: async (kernel, { link }) => {
      const lengths: [SyncDaemon['role'], number, number][] = [
        ['master', 1, 1],
        ['master', 65_507, 65_507],
        ['master', 65_535, 65_507],
        ['backup', 1, 1024],
        ['backup', 1024, 1024],
        ['backup', 65_535, 65_507],
      ]
      for (const [role, maximumLength, taken] of lengths) {
        const daemon = { role, interface: link, id: 1, maximumLength }
        await expectFailures(kernel, [{ kind: 'start-sync-daemon', daemon }], [])
        assert.equal((await kernel.readSyncDaemons())[0]?.maximumLength, taken)
        await expectFailures(kernel, [{ kind: 'stop-sync-daemon', role }], [])
      }
    },
  },
  {
    name: 'a sync daemon and destinations of the other address family exclude each other',
    run: async (kernel, { link }) => {
      const service = virtual('tcp/10.0.0.1:80')
      const forwarding: Forwarding = { method: 'tunnel', tunnel: { type: 'ipip' } }
      const destination = held('[2001:db8::1]:80', { forwarding })
      const add: IpvsCommand = { kind: 'add-destination', service: service.identity, destination }
      const start: IpvsCommand = { kind: 'start-sync-daemon', daemon: { role: 'backup', interface: link, id: 1 } }
      const stop: IpvsCommand = { kind: 'stop-sync-daemon', role: 'backup' }
      await expectFailures(kernel, [{ kind: 'add-service', service }, start, add, stop, add], [[2, 'EINVAL']])
      await expectFailures(kernel, [start], [[0, 'EINVAL']])
      assert.deepEqual(await kernel.readSyncDaemons(), [])
    },
  },
  {
    name: 'there is one sync daemon of each role',
    run: async (kernel, { link }) => {
      const start = (role: 'master' | 'backup', id: number): IpvsCommand => ({
        kind: 'start-sync-daemon',
        daemon: { role, interface: link, id },
      })
      const stop = (role: 'master' | 'backup'): IpvsCommand => ({ kind: 'stop-sync-daemon', role })
      await expectFailures(
        kernel,
        [stop('master'), start('master', 4), start('master', 5), start('backup', 6)],
        [
          [0, 'ESRCH'],
          [2, 'EEXIST'],
        ],
      )
      const running = (await kernel.readSyncDaemons()).map(({ role, interface: on, id }) => ({ role, on, id }))
      assert.deepEqual(
        running.sort((a, b) => a.id - b.id),
        [
          { role: 'master', on: link, id: 4 },
          { role: 'backup', on: link, id: 6 },
        ],
      )
      await expectFailures(kernel, [stop('master'), stop('backup'), stop('backup')], [[2, 'ESRCH']])
      assert.deepEqual(await kernel.readSyncDaemons(), [])
    },
  },
]

export interface CheckResult {
  readonly name: string
  readonly fault?: string
}

/** Runs every check on an empty table and empties it after each: only for a table that nobody else uses. */
export async function runContract(kernel: IpvsKernel, ground: ContractGround): Promise<CheckResult[]> {
  const results: CheckResult[] = []
  for (const { name, run } of KERNEL_CONTRACT) {
    await withFlush(kernel).write([{ kind: 'flush' }])
    try {
      await run(kernel, ground)
      results.push({ name })
    } catch (error) {
      results.push({ name, fault: error instanceof Error ? error.message : String(error) })
    }
  }
  await withFlush(kernel).write([{ kind: 'flush' }])
  return results
}
