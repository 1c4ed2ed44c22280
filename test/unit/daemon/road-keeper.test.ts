import { describe, expect, it } from 'vitest'
import type { Road } from '../../../src/daemon/probe-roads.ts'
import { type RoadedUpdate, RoadKeeper } from '../../../src/daemon/road-keeper.ts'
import type { ProbeTarget } from '../../../src/health/target.ts'
import type { RuleMark } from '../../../src/kernel/for-daemon.ts'
import { loggerTo } from '../../../src/log.ts'
import type { IpAddress } from '../../../src/model/address.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import type { DesiredUpdate } from '../../../src/pipeline/desired-update.ts'
import type { PassReport } from '../../../src/sinks/sink.ts'
import { service } from '../../support/desired.ts'
import { FakeOwnership } from '../../support/fake-ownership.ts'
import { identity, key, members, spec, tcpCheck } from '../pipeline/makers.ts'

const web = spec({ checks: [{ ...tcpCheck, via: 'vip' }] })
const WEB = serviceKey(web.identity)
const GOOD: PassReport = { applied: {}, failed: [], driftRepaired: 0, foreign: 0, draining: 0 }

function rig() {
  const ownership = new FakeOwnership()
  const asked: ProbeTarget[] = []
  const kernel = {
    marks: [] as number[],
    rules: [] as RuleMark[],
    broken: false,
    source: '127.0.0.9' as IpAddress,
    sysctls: {} as Record<string, number>,
    link: undefined as string | undefined,
  }
  const lines: string[] = []
  const options = {
    host: {
      readSysctl: (name: string) => kernel.sysctls[name],
      linkTowards: () => kernel.link,
      readRuleMarks: () => {
        if (kernel.broken) throw new Error('the netlink socket is gone')
        return kernel.rules
      },
    },
    probeFor: (_: unknown, target: ProbeTarget) => async () => {
      asked.push(target)
      return { outcome: 'passed' } as const
    },
    settings: () => ({ marks: { from: 100, to: 109 }, sources: [kernel.source] }),
    record: ownership.record,
    inKernel: () => kernel.marks.map((fwmark) => ({ kind: 'fwmark', fwmark, family: 'ipv4' }) as const),
    logger: loggerTo({ write: (line: string) => void lines.push(line) }, 'info'),
  }
  return { ownership, asked, kernel, lines, options, keeper: new RoadKeeper(options) }
}

function update(...numbers: number[]): DesiredUpdate {
  return updateOf([web, numbers])
}

function updateOf(...services: [ServiceSpec, number[]][]): DesiredUpdate {
  const provenance = new Map(
    services.map(([of, numbers]) => [serviceKey(of.identity), { spec: of, members: members(...numbers) }]),
  )
  const desired = { services: new Map([[WEB, service('tcp/10.0.0.1:80')]]) }
  return { desired, provenance: provenance as unknown as DesiredUpdate['provenance'], eventAt: 0 }
}

const roadTo = (roaded: RoadedUpdate, number = 1) => roaded.roads.get(WEB)?.get(key(number)) as Road
const marks = (roaded: RoadedUpdate) => [...(roaded.roads.get(WEB)?.values() ?? [])].map(({ mark }) => mark)

/** As a pass does that makes the service of a road. */
async function make({ ownership }: Pick<ReturnType<typeof rig>, 'ownership'>, { name, key: made, service: of, backend }: Road) {
  await ownership.write([
    { do: 'own-service', service: of.identity, name },
    { do: 'own', service: made, destinations: [backend] },
  ])
}

describe('the keeper of roads', () => {
  it('leaves an update alone where nobody needs a road', () => {
    const { keeper } = rig()
    const plain = updateOf([spec(), [1]])
    expect(keeper.follow(plain).desired).toBe(plain.desired)
  })

  it('adds the services of the roads to what is desired', () => {
    const { keeper } = rig()
    const roaded = keeper.follow(update(1, 2))
    expect([...roaded.desired.services.keys()]).toEqual([WEB, 'fwmark/100/ipv4', 'fwmark/101/ipv4'])
    expect(keeper.follow(update(2)).desired.services.get(roadTo(roaded, 2).key)).toBe(roadTo(roaded, 2).service)
  })

  it('lets a probe wait until its road stands', async () => {
    const set = rig()
    const roaded = set.keeper.follow(update(1))
    const road = roadTo(roaded)
    const probe = set.keeper.probe({ kind: 'tcp' }, { address: '10.0.0.1' as IpAddress, port: 80, mark: road.mark }, road)
    const result = probe(AbortSignal.timeout(5_000))
    set.keeper.passEnded(roaded.desired, GOOD, 'full')
    await new Promise(setImmediate)
    expect(set.asked).toEqual([])
    await make(set, road)
    set.keeper.passEnded(roaded.desired, { ...GOOD, failed: [failure(`${road.key} ${road.backend}`)] }, 'full')
    await new Promise(setImmediate)
    expect(set.asked).toEqual([])
    set.keeper.passEnded(roaded.desired, GOOD, 'full')
    expect(await result).toEqual({ outcome: 'passed' })
    expect(set.asked).toEqual([{ address: '10.0.0.1', port: 80, mark: 100, sourceAddress: '127.0.0.9' }])
  })

  it('has probes come from where the configuration says now', async () => {
    const set = rig()
    const roaded = set.keeper.follow(update(1))
    const road = roadTo(roaded)
    await make(set, road)
    set.keeper.passEnded(roaded.desired, GOOD, 'full')
    const probe = set.keeper.probe({ kind: 'tcp' }, { address: '10.0.0.1' as IpAddress, port: 80, mark: road.mark }, road)
    await probe(AbortSignal.timeout(5_000))
    set.kernel.source = '127.0.0.8' as IpAddress
    await probe(AbortSignal.timeout(5_000))
    expect(set.asked.map(({ sourceAddress }) => sourceAddress)).toEqual(['127.0.0.9', '127.0.0.8'])
  })

  it('has probes of direct routing wait for the sysctls of the interface that leads to the backend', async () => {
    const set = rig()
    const direct = spec({ checks: [{ ...tcpCheck, via: 'vip' }], forwarding: { method: 'direct' } })
    const roaded = set.keeper.follow(updateOf([direct, [1]]))
    const road = roadTo(roaded)
    await make(set, road)
    set.keeper.passEnded(roaded.desired, GOOD, 'full')
    set.kernel.source = '127.0.0.1' as IpAddress
    set.kernel.link = 'eth1'
    set.kernel.sysctls = { 'net.ipv4.conf.lo.accept_local': 1 }
    const ask = () =>
      set.keeper.probe({ kind: 'tcp' }, { address: '10.0.0.1' as IpAddress, port: 80 }, road)(AbortSignal.timeout(5_000))
    expect(await ask()).toMatchObject({
      outcome: 'unknown',
      message: expect.stringContaining('net.ipv4.conf.eth1.accept_local=1'),
    })
    expect(set.asked).toEqual([])
  })

  it('says at the deadline that the road does not stand, and why there is none', async () => {
    const { keeper } = rig()
    const road = roadTo(keeper.follow(update(1)))
    const target = { address: '10.0.0.1' as IpAddress, port: 80 }
    const late = keeper.probe({ kind: 'tcp' }, target, road)(AbortSignal.timeout(20))
    expect(await late).toEqual({ outcome: 'unknown', message: 'the kernel has no way for probes through 10.0.0.1:80 yet' })
    expect(await keeper.probe({ kind: 'tcp' }, target, 'none')(AbortSignal.timeout(20))).toMatchObject({ outcome: 'unknown' })
  })

  it('gives no mark that others have: services of the kernel, ours for clients, checks and rules', () => {
    const set = rig()
    set.kernel.marks = [100]
    set.kernel.rules = [{ mark: 101, mask: 0xffffffff }]
    const clients = spec({ identity: { kind: 'fwmark', fwmark: 102, family: 'ipv4' } })
    const marked = spec({ identity: identity(2), checks: [{ ...tcpCheck, fwmark: 103 }] })
    expect(marks(set.keeper.follow(updateOf([web, [1]], [clients, [1]], [marked, [1]])))).toEqual([104])
  })

  it('exchanges a mark that somebody else has taken since, and asks for it once', async () => {
    const set = rig()
    const roaded = set.keeper.follow(update(1))
    await make(set, roadTo(roaded))
    set.kernel.marks = [100]
    expect(set.keeper.passEnded(roaded.desired, GOOD, 'full')).toBe(false)
    set.kernel.rules = [{ mark: 100, mask: 0xffffffff }]
    expect(set.keeper.passEnded(roaded.desired, GOOD, 'changes')).toBe(false)
    expect(set.keeper.passEnded(roaded.desired, GOOD, 'full')).toBe(true)
    const again = set.keeper.follow(update(1))
    expect(marks(again)).toEqual([101])
    await make(set, roadTo(again))
    expect(set.keeper.passEnded(again.desired, GOOD, 'full')).toBe(false)
  })

  it('finds after a pass for changes, too, that somebody else was there first', () => {
    const set = rig()
    const roaded = set.keeper.follow(update(1))
    set.kernel.marks = [100]
    expect(set.keeper.passEnded(roaded.desired, GOOD, 'changes')).toBe(true)
    expect(marks(set.keeper.follow(update(1)))).toEqual([101])
  })

  it('gives the marks again that an earlier process gave', async () => {
    const set = rig()
    for (const road of [roadTo(set.keeper.follow(update(3, 1)), 1)]) await make(set, road)
    set.kernel.marks = [101]
    const later = new RoadKeeper(set.options).follow(update(2, 1))
    expect([...(later.roads.get(WEB) ?? [])].map(([backend, { mark }]) => [backend, mark])).toEqual([
      [key(2), 100],
      [key(1), 101],
    ])
  })

  it('goes on without the rules where they cannot be read, and says so', () => {
    const set = rig()
    set.kernel.broken = true
    expect(marks(set.keeper.follow(update(1)))).toEqual([100])
    expect(set.lines.join()).toContain('probes through virtual addresses cannot avoid the marks of routing rules')
  })
})

function failure(object: string) {
  return { object, code: 'KERNEL_REFUSED', message: 'no', retryAt: 0 }
}
