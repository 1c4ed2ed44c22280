import { describe, expect, it } from 'vitest'
import { serviceKey } from '../../../../src/model/virtual-service.ts'
import type { Action } from '../../../../src/sinks/ipvs/actions.ts'
import { held, identity, key, service, state, virtual, wanted } from '../../../support/desired.ts'
import { rig } from './rig.ts'

const WEB = 'tcp/10.0.0.1:80'
const webKey = serviceKey(identity(WEB))
const A = '10.1.0.1:80'
const B = '10.1.0.2:80'

describe('planOnly', () => {
  it('tells what a pass would do, in order, and writes nothing', async () => {
    const { sink, kernel, ownership } = rig()
    await sink.reconcile(state([service(WEB, [A]), service('udp/10.0.0.1:53', [A])]), 'changes', 1_000)
    kernel.tamper({ kind: 'add-service', service: virtual('tcp/10.0.0.1:443') })
    kernel.written.length = 0
    const records = ownership.writes.length
    const desired = state([service(WEB, [B], { scheduler: 'rr' })], { timeouts: { tcp: 60 }, syncDaemons: [] })
    const plan = await sink.planOnly(desired, { now: 2_000 })
    expect(plan.changes.map(({ kind, cause }) => `${kind} ${cause}`)).toEqual([
      'add-destination configuration',
      'edit-service configuration',
      'edit-destination drain',
      'delete-service configuration',
    ])
    expect(plan.tableChanges.map(({ kind }) => kind)).toEqual(['set-timeouts'])
    expect(plan.foreign).toMatchObject([{ kind: 'service', destinations: 0 }])
    expect(kernel.written).toEqual([])
    expect(ownership.writes.length).toBe(records)
  })

  it('is empty when a full pass would write nothing, drains included', async () => {
    const { sink } = rig()
    await sink.reconcile(state([service(WEB, [A, B])]), 'changes', 1_000)
    await sink.reconcile(state([service(WEB, [A])]), 'changes', 2_000)
    expect((await sink.planOnly(state([service(WEB, [A])]), { now: 2_500 })).changes).toEqual([])
  })
})

describe('allowed actions', () => {
  const before = state([service(WEB, [A, B]), service('udp/10.0.0.1:53', [A, B])])
  const cases: [string, Action, ReturnType<typeof state>][] = [
    ['a new service', 'as', state([...before.services.values(), service('tcp/10.0.0.9:80')])],
    ['another scheduler', 'us', state([service(WEB, [A, B], { scheduler: 'rr' }), service('udp/10.0.0.1:53', [A, B])])],
    ['a service that leaves', 'ds', state([service(WEB, [A, B])])],
    ['a service that leaves and drains', 'ds', state([service('udp/10.0.0.1:53', [A, B])])],
    ['a new destination', 'ad', state([service(WEB, [A, B, '10.1.0.3:80']), service('udp/10.0.0.1:53', [A, B])])],
    ['another weight', 'ud', state([service(WEB, [A, wanted(B, { weight: 2 })]), service('udp/10.0.0.1:53', [A, B])])],
    ['a destination that leaves', 'dd', state([service(WEB, [A, B]), service('udp/10.0.0.1:53', [A])])],
    ['a destination that drains', 'dd', state([service(WEB, [A]), service('udp/10.0.0.1:53', [A, B])])],
  ]

  it.each(cases)('%s needs %s', async (_, action, after) => {
    const { sink, written, ownership } = rig()
    await sink.reconcile(before, 'changes', 1_000)
    written()
    const others = new Set(['as', 'us', 'ds', 'ad', 'ud', 'dd'].filter((one) => one !== action) as Action[])
    const records = ownership.writes.length
    await expect(sink.reconcile(after, 'full', 2_000, { allowedActions: others })).rejects.toMatchObject({
      code: 'ACTION_NOT_ALLOWED',
    })
    expect(written(), 'nothing at all').toEqual([])
    expect(ownership.writes.length).toBe(records)
    await sink.reconcile(after, 'full', 2_000, { allowedActions: new Set([action]) })
    expect(written().length).toBeGreaterThan(0)
  })

  it('are checked for the whole plan before anything is written', async () => {
    const { sink, kernel } = rig()
    const desired = state([service(WEB, [A]), service('tcp/10.0.0.2:80', [A])])
    await expect(sink.reconcile(desired, 'full', 1_000, { allowedActions: new Set(['as']) })).rejects.toThrow(
      /\(ad\).*10\.1\.0\.1:80 of/,
    )
    expect(kernel.written).toEqual([])
  })

  it('leave a drain that has ended where it is in the passes after the first', async () => {
    const { sink, kernel, written } = rig()
    const desired = state([service(WEB, [A, '10.1.0.3:80'])])
    await sink.reconcile(state([service(WEB, [A, B])]), 'changes', 1_000)
    await sink.reconcile(state([service(WEB, [A])]), 'changes', 2_000)
    written()
    const allowedActions = new Set<Action>(['as', 'ad'])
    let report = await sink.reconcile(desired, 'full', 3_000, { allowedActions })
    expect(written()).toEqual([`add-destination ${WEB} 10.1.0.3:80 weight 1`])
    for (const now of [5_000, 8_000, 11_000]) report = await sink.reconcile(desired, 'changes', now, { allowedActions })
    expect(written(), 'deleting it needs dd').toEqual([])
    expect(report).toMatchObject({ draining: 1, failed: [] })
    expect(kernel.destination(serviceKey(identity(WEB)), key(B))).toBeDefined()
    for (const now of [14_000, 17_000]) report = await sink.reconcile(desired, 'changes', now)
    expect(report.draining).toBe(0)
  })

  it('must be all of them for settings of the whole table', async () => {
    const { sink, kernel } = rig()
    const desired = { ...state([service(WEB, [A])]), timeouts: { tcp: 600 } }
    await expect(sink.reconcile(desired, 'full', 1_000, { allowedActions: new Set(['as', 'ad']) })).rejects.toThrow(
      /\(\*\): set-timeouts of the whole table/,
    )
    expect(kernel.written).toEqual([])
    const all = new Set<Action>(['as', 'us', 'ds', 'ad', 'ud', 'dd'])
    expect((await sink.reconcile(desired, 'full', 2_000, { allowedActions: all })).applied).toMatchObject({ 'set-timeouts': 1 })
  })
})

describe('keepWeights', () => {
  it('leaves the weights that the kernel holds, a manual 0 too; new destinations get theirs', async () => {
    const { sink, kernel, written } = rig()
    kernel.tamper(
      { kind: 'add-service', service: virtual(WEB) },
      { kind: 'add-destination', service: identity(WEB), destination: held(A, { weight: 0 }) },
      { kind: 'add-destination', service: identity(WEB), destination: held('10.1.0.3:80', { weight: 9, upperThreshold: 5 }) },
    )
    const desired = state([
      service(WEB, [wanted(A, { weight: 5 }), wanted(B, { weight: 5 }), wanted('10.1.0.3:80', { weight: 5, upperThreshold: 7 })]),
    ])
    await sink.reconcile(desired, 'full', 1_000, { keepWeights: true })
    expect(written()).toEqual([`add-destination ${WEB} ${B} weight 5`, `edit-destination ${WEB} 10.1.0.3:80 weight 9`])
    expect(kernel.destination(webKey, key('10.1.0.3:80'))?.upperThreshold).toBe(7)
  })

  it('does not keep the 0 of a drain of ours', async () => {
    const { sink, written } = rig()
    await sink.reconcile(state([service(WEB, [A, B])]), 'changes', 1_000)
    await sink.reconcile(state([service(WEB, [A])]), 'changes', 2_000)
    written()
    await sink.reconcile(state([service(WEB, [A, B])]), 'full', 3_000, { keepWeights: true })
    expect(written()).toEqual([`edit-destination ${WEB} ${B} weight 1`])
  })
})

describe('exit', () => {
  function clockwork(onSleep: (now: number) => void = () => {}) {
    let now = 10_000
    return {
      clock: () => now,
      sleep: async (milliseconds: number) => {
        now += milliseconds
        onSleep(now)
      },
    }
  }

  it('keep does nothing', async () => {
    const { sink, written } = rig()
    await sink.reconcile(state([service(WEB, [A])]), 'changes', 1_000)
    written()
    await sink.exit('keep')
    expect(written()).toEqual([])
  })

  it('remove takes away what is ours and never a service that holds a foreign destination', async () => {
    const { sink, kernel, written, ownership } = rig()
    kernel.tamper(
      { kind: 'add-service', service: virtual(WEB) },
      { kind: 'add-destination', service: identity(WEB), destination: held('10.9.0.1:80') },
      { kind: 'add-service', service: virtual('tcp/10.0.0.7:80') },
    )
    const desired = state([service(WEB, [A]), service('tcp/10.0.0.2:80', [A, B])], {
      syncDaemons: [{ role: 'master', interface: 'eth0', id: 1 }],
    })
    await sink.reconcile(desired, 'changes', 1_000)
    written()
    await sink.exit('remove', clockwork())
    expect(written()).toEqual([`delete-destination ${WEB} ${A}`, 'delete-service tcp/10.0.0.2:80', 'stop-sync-daemon'])
    expect(kernel.destination(webKey, key('10.9.0.1:80'))).toBeDefined()
    expect(kernel.service(serviceKey(identity('tcp/10.0.0.7:80')))).toBeDefined()
    expect([...ownership.record.services.keys()], 'still ours, should it become empty').toEqual([webKey])
  })

  it('drain waits until nothing is active, then removes', async () => {
    const { sink, kernel, written } = rig()
    await sink.reconcile(state([service(WEB, [A, B]), service('udp/10.0.0.1:53', [A])]), 'changes', 1_000)
    kernel.setConnections(webKey, key(A), { active: 1 })
    written()
    const times = clockwork((now) => {
      if (now > 15_000 && kernel.destination(webKey, key(A))) kernel.setConnections(webKey, key(A), { active: 0 })
    })
    await sink.exit('drain', { ...times, timeout: 60_000 })
    const lines = written()
    expect(lines.slice(0, 3).sort()).toEqual([
      'delete-service udp/10.0.0.1:53',
      `edit-destination ${WEB} ${A} weight 0`,
      `edit-destination ${WEB} ${B} weight 0`,
    ])
    expect(lines.slice(3)).toEqual([`delete-destination ${WEB} ${B}`, `delete-service ${WEB}`])
    expect(times.clock()).toBeLessThan(20_000)
  })

  it('drain is bounded', async () => {
    const { sink, kernel, written } = rig()
    await sink.reconcile(state([service(WEB, [A])]), 'changes', 1_000)
    kernel.setConnections(webKey, key(A), { active: 1 })
    const times = clockwork()
    await sink.exit('drain', { ...times, timeout: 7_000 })
    expect(times.clock()).toBe(17_000)
    expect(written().at(-1)).toBe(`delete-service ${WEB}`)
  })
})
