import { describe, expect, it } from 'vitest'
import type { AdminState } from '../../../../src/model/admin-state.ts'
import type { Operational } from '../../../../src/model/operational.ts'
import { DEFAULT_POLICY } from '../../../../src/model/policy-spec.ts'
import type { Health } from '../../../../src/model/probe-result.ts'
import { serviceKey } from '../../../../src/model/virtual-service.ts'
import { type Bench, bench, web } from '../bench.ts'
import { backends, file, fresh, identity, key, spec, tcpCheck } from '../makers.ts'

const four = spec({ checks: [tcpCheck], backends: backends(1, 2, 3, 4) })

function finding(made: Bench, healths: Record<number, Health>): void {
  const found = Object.entries(healths).map(([number, health]) => {
    const operational: Operational = { health, since: made.scheduler.frame, turns: 0 }
    return [key(Number(number)), { ...operational, ...(health === 'down' && { failure: 'refused' as const }) }] as const
  })
  made.operational$.next({ service: web, found: new Map(found) })
}

function weights(made: Bench, at = web): number[] {
  return [1, 2, 3, 4].map((number) => made.service(at)?.destinations.get(key(number))?.weight ?? -1)
}

function word(state: AdminState['state'], number = 1, at = web) {
  return new Map([[at, new Map([[key(number), { state, at: 0 }]])]])
}

describe('probe results', () => {
  it('pass at once after quiet, then with the next pass, and wait no longer than max', () => {
    const made = bench(four)
    finding(made, { 1: 'up', 2: 'up', 3: 'up', 4: 'up' })
    made.until(1_000)
    finding(made, { 1: 'down', 2: 'up', 3: 'up', 4: 'up' })
    expect(weights(made)).toEqual([0, 1, 1, 1])
    made.until(1_200)
    finding(made, { 1: 'down', 2: 'down', 3: 'up', 4: 'up' })
    expect(weights(made)).toEqual([0, 1, 1, 1])
    made.until(1_700)
    expect(weights(made)).toEqual([0, 0, 1, 1])
    expect(made.updates.at(-1)?.eventAt).toBe(1_200)
    made.stop()
  })

  it('under an unending stream wait for max', () => {
    const made = bench(four)
    finding(made, { 1: 'up', 2: 'up', 3: 'up', 4: 'up' })
    for (let at = 1_000; at <= 5_000; at += 100) {
      made.until(at)
      finding(made, { 1: at % 200 === 0 ? 'down' : 'up', 2: 'up', 3: 'up', 4: at < 1_100 ? 'up' : 'down' })
      if (at >= 3_100) expect(weights(made)[3]).toBe(0)
    }
    made.stop()
  })

  it('that change no weight are told all the same, and write nothing', () => {
    const made = bench(four)
    finding(made, { 1: 'up' })
    const before = made.service()
    made.until(1_000)
    finding(made, { 1: 'up', 2: 'up' })
    const update = made.updates.at(-1)
    expect([...(update?.provenance.get(web)?.operational ?? [])]).toHaveLength(2)
    expect(made.service()?.destinations.differsFrom(before?.destinations ?? made.service()?.destinations ?? never())).toEqual([
      key(2),
    ])
    expect(weights(made)).toEqual([1, 1, 1, 1])
    made.stop()
  })

  it('of another service, or of one that nobody names, change nothing', () => {
    const made = bench(four)
    const count = made.updates.length
    made.operational$.next({ service: serviceKey(identity(9)), found: new Map() })
    expect(made.updates).toHaveLength(count)
    made.stop()
  })

  it('let go a removal that the guard holds, and pay for others: who is down is no member that could be missed', () => {
    const guarded = spec({ checks: [tcpCheck], sources: [file()], guard: { maxRemoval: 34, window: 60_000, onEmpty: 'hold' } })
    const made = bench(guarded)
    made.say(fresh([1, 2, 3, 4, 5, 6]))
    finding(made, { 1: 'down', 2: 'down', 3: 'up', 4: 'up', 5: 'up', 6: 'up' })
    made.say(fresh([3, 4, 5, 6], { at: 1 }))
    expect(made.held(), 'down already').toEqual([])
    made.say(fresh([3], { at: 2 }))
    expect(made.held().length).toBe(2)
    finding(made, { 3: 'up', 4: 'down', 5: 'down', 6: 'down' })
    expect(made.held()).toEqual([])
    made.stop()
  })

  it('let go nothing where members are down only because they begin so', () => {
    const guarded = spec({ checks: [tcpCheck], sources: [file()], guard: { maxRemoval: 34, window: 60_000, onEmpty: 'hold' } })
    const made = bench(guarded)
    made.say(fresh([1, 2, 3, 4, 5, 6]))
    const begun = [1, 2, 3, 4, 5, 6].map(
      (number) => [key(number), { health: 'down', since: 0, turns: 0 } as Operational] as const,
    )
    made.operational$.next({ service: web, found: new Map(begun) })
    made.say(fresh([1], { at: 1 }))
    expect(made.held()).toHaveLength(3)
    made.stop()
  })

  it('keep one that is up for absent_grace at least, however often its going is repeated', () => {
    const guard = { maxRemoval: 34, window: 5_000, onEmpty: 'hold' } as const
    const policy = { ...DEFAULT_POLICY, absentGrace: 60_000 }
    const made = bench(spec({ checks: [tcpCheck], sources: [file()], guard, policy, debounce: { min: 0, max: 0 } }))
    made.say(fresh([1, 2, 3, 4]))
    finding(made, { 1: 'up', 2: 'up', 3: 'up' })
    made.say(fresh([1], { at: 1 }))
    const held = made.held()
    expect(held).toHaveLength(2)
    made.until(5_001)
    made.say(fresh([1], { at: 5_001 }))
    expect(made.held()).toEqual(held.filter((at) => at !== key(4)))
    made.until(60_000)
    made.say(fresh([1], { at: 60_000 }))
    expect(made.held()).toEqual([])
    made.stop()
  })

  it('that are not believed let go of nothing', () => {
    const made = bench(
      spec({ checks: [tcpCheck], sources: [file()], guard: { maxRemoval: 34, window: 60_000, onEmpty: 'hold' } }),
    )
    made.say(fresh([1, 2, 3, 4]))
    finding(made, { 1: 'up', 2: 'up', 3: 'up', 4: 'up' })
    made.until(1_000)
    const sick = (number: number) => [key(number), { health: 'down', since: 1_000, turns: 1, failure: 'tls' }] as const
    made.operational$.next({ service: web, found: new Map([sick(1), sick(2), sick(3), sick(4)]) })
    expect(made.updates.at(-1)?.provenance.get(web)?.pool.heldFailures.size).toBe(4)
    made.say(fresh([], { at: 1_000 }))
    expect(made.held()).toHaveLength(4)
    made.approve$.next(web)
    expect(made.updates.at(-1)?.provenance.get(web)?.pool.heldFailures.size).toBe(0)
    expect(made.held()).toEqual([])
    made.stop()
  })
})

describe('the operator', () => {
  it('is heard before the services begin, and for each service that begins later', () => {
    const made = bench()
    made.operator$.next(word('drain'))
    made.configure(four)
    expect(weights(made)).toEqual([0, 1, 1, 1])
    made.operator$.next(new Map())
    expect(weights(made)).toEqual([1, 1, 1, 1])
    made.stop()
  })

  it('is heard of each service apart', () => {
    const other = { ...four, name: 'other', identity: identity(2) }
    const made = bench(four, other)
    made.operator$.next(word('maintenance', 2, serviceKey(other.identity)))
    expect(weights(made)).toEqual([1, 1, 1, 1])
    expect(weights(made, serviceKey(other.identity))).toEqual([1, -1, 1, 1])
    expect(made.updates.at(-1)?.provenance.get(serviceKey(other.identity))?.admin.get(key(2))?.state).toBe('maintenance')
    made.stop()
  })

  it('comes back by himself: what has run out ends without an event', () => {
    const made = bench(four)
    made.operator$.next(new Map([[web, new Map([[key(1), { state: 'drain', at: 0, until: 90_000 }]])]]))
    made.until(89_999)
    expect(weights(made)[0]).toBe(0)
    made.until(90_000)
    expect(weights(made)[0]).toBe(1)
    made.stop()
  })
})

it('a kernel that is set otherwise changes what becomes of the failing at once', () => {
  const made = bench({ ...four, persistence: { timeout: 60, mask: 0xffffffff } })
  finding(made, { 1: 'down', 2: 'up', 3: 'up', 4: 'up' })
  expect(weights(made)).toEqual([-1, 1, 1, 1])
  expect([...(made.service()?.cut?.keys() ?? [])]).toEqual([key(1)])
  made.kernel$.next({ expiresQuiescentTemplates: true })
  expect(weights(made)).toEqual([0, 1, 1, 1])
  expect(made.service()).not.toHaveProperty('cut')
  made.stop()
})

function never(): never {
  throw new Error('there is no service')
}
