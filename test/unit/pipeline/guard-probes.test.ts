import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DestinationKey } from '../../../src/model/destination.ts'
import type { GuardSpec } from '../../../src/model/service-spec.ts'
import { type Circumstances, guard, NOTHING_GUARDED } from '../../../src/pipeline/guard.ts'
import { type Bench, bench, web } from './bench.ts'
import { backends, file, fresh, key, members, spec } from './makers.ts'

const usual: GuardSpec = { maxRemoval: 34, window: 60_000, onEmpty: 'hold' }
const guarded = spec({ sources: [file()], guard: usual })

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

function keys(...list: number[]): string[] {
  return list.map(key).sort()
}

function at(made: Bench, seconds: number, list: Parameters<typeof fresh>[0], path?: string): void {
  made.until(seconds * 1_000)
  made.say(fresh(list, { at: seconds * 1_000 }), path)
}

/** From now on these held members fail their probes, and no others. */
function fail(made: Bench, ...list: number[]): void {
  made.probed$.next({ service: web, failing: new Set(list.map(key)) })
}

function released(made: Bench): [string, string][] {
  return [...(made.guards.at(-1)?.released ?? [])].sort()
}

describe('a held removal', () => {
  const halved = () => {
    const made = bench(guarded)
    at(made, 0, range(1, 12))
    at(made, 10, range(1, 6))
    expect(made.held()).toEqual(keys(11, 12))
    return made
  }

  it('goes when its member fails its probe, alone, and with the debounce of any removal', () => {
    const made = halved()
    made.until(12_000)
    fail(made, 11)
    expect(made.held()).toEqual(keys(12))
    expect(released(made)).toEqual([[key(11), 'probe']])
    made.until(12_499)
    expect(made.destinations()).toContain(key(11))
    made.until(12_500)
    expect(made.destinations()).toEqual(keys(...range(1, 6), 12))
    expect(made.changes.at(-1)?.status).toMatchObject({ heldRemovals: 1 })
  })

  it('stays while its member answers', () => {
    const made = halved()
    fail(made)
    made.until(1_000_000)
    expect(made.held()).toEqual(keys(11, 12))
    expect(made.guards).toHaveLength(1)
  })

  it('is not told from others by what was found out in an earlier time of being held', () => {
    const made = halved()
    at(made, 20, [])
    fail(made, 11, 12)
    expect(made.held()).toHaveLength(8)
    at(made, 30, range(1, 12))
    at(made, 31, range(1, 6))
    at(made, 60, range(1, 6))
    expect(made.held()).toEqual(keys(11, 12))
  })

  it('is judged one by one again when the source names some after it named nobody', () => {
    const made = halved()
    at(made, 20, [])
    fail(made, 11, 12)
    at(made, 30, range(1, 6))
    expect(made.held()).toEqual([])
    expect(released(made).filter(([, why]) => why === 'probe')).toEqual([
      [key(11), 'probe'],
      [key(12), 'probe'],
    ])
  })

  it('does not count in what later removals are measured by, once it went by probe', () => {
    const made = halved()
    fail(made, 11, 12)
    at(made, 20, [...range(1, 6), 20, 21])
    at(made, 21, [...range(1, 6), 20])
    expect(made.held()).toEqual([])
    at(made, 22, range(1, 6))
    expect(made.held()).toEqual(keys(20))
  })

  it('goes during an outage, too', () => {
    const made = halved()
    made.say({ kind: 'pending', failure: { code: 'X', message: 'x', at: 11_000 } })
    fail(made, 12)
    expect(made.held()).toEqual(keys(11))
  })
})

describe('what nobody holds', () => {
  it('is untouched by a verdict, whether its members are listed or unknown', () => {
    const made = bench(guarded)
    at(made, 0, range(1, 12))
    fail(made, 1, 2, 99)
    made.probed$.next({ service: 'tcp/10.9.9.9:1' as typeof web, failing: new Set([key(1)]) })
    at(made, 1, range(1, 6))
    expect(made.held()).toEqual(keys(11, 12))
    fail(made, ...range(1, 6))
    made.until(20_000)
    expect(made.destinations()).toEqual(keys(...range(1, 6), 11, 12))
    expect(made.guards).toHaveLength(1)
  })
})

describe('an empty answer', () => {
  it.each(['hold', 600_000] as const)('with on_empty %s is believed when every one of its members fails its probe', (onEmpty) => {
    const made = bench(spec({ sources: [file()], guard: { ...usual, onEmpty } }))
    at(made, 0, range(1, 5))
    at(made, 10, [])
    fail(made, 1, 2, 3, 4)
    made.until(20_000)
    expect(made.destinations()).toEqual(keys(...range(1, 5)))
    expect(made.guards).toHaveLength(1)
    fail(made, ...range(1, 5))
    expect(released(made)).toHaveLength(5)
    made.until(20_500)
    expect(made.destinations()).toEqual([])
  })

  it('concerns the members of that source alone, and those that the registry called down stand in nobody’s way', () => {
    const down = { ...backends(3).get(key(3)), state: 'critical' } as Parameters<typeof fresh>[0][number]
    const made = bench(spec({ sources: [file('/a'), file('/b')], guard: usual }))
    at(made, 0, [1, 2, down], '/a')
    at(made, 0, [21, 22], '/b')
    at(made, 10, [], '/a')
    at(made, 10, [], '/b')
    fail(made, 1, 2, 21)
    made.until(20_000)
    expect(made.destinations()).toEqual(keys(21, 22))
  })

  it('that comes with the news of a failure is not held for a member that is down and leaves with it', () => {
    const down = { ...backends(3).get(key(3)), state: 'critical' } as Parameters<typeof members>[0]
    const silent = { emptied: () => false, free: () => false }
    let state = guard(NOTHING_GUARDED, members(1, 2, down), usual, 0, silent)
    state = guard(state, members(down), usual, 1_000, silent)
    expect([...state.held.keys()]).toEqual([key(2)])
    state = guard(state, members(), usual, 2_000, { ...silent, emptied: () => true, failing: () => new Set([key(2)]) })
    expect(state.passed.size).toBe(0)
    expect(state.released).toEqual(new Map([[key(2), 'probe']]))
  })

  it('has members of its own only: one that was held before it stands for itself and with the rest', () => {
    const made = bench(guarded)
    at(made, 0, range(1, 12))
    at(made, 10, range(1, 6))
    fail(made, 11)
    at(made, 20, [])
    fail(made, ...range(1, 6))
    expect(made.held()).toEqual(keys(...range(1, 6), 12))
    fail(made, ...range(1, 6), 12)
    expect(made.held()).toEqual([])
  })
})

describe('blue and green', () => {
  const doubled = () => {
    const made = bench(guarded)
    at(made, 0, range(1, 12))
    at(made, 10, [...range(1, 12), ...range(21, 32)])
    at(made, 60, range(21, 32))
    expect(made.held()).toHaveLength(4)
    return made
  }

  it('the old half is gone within the time of two probes and the debounce, when nobody listens there any more', () => {
    const made = doubled()
    const dead = made.held()
    made.until(61_500)
    made.probed$.next({ service: web, failing: new Set(dead as DestinationKey[]) })
    made.until(63_000)
    expect(made.destinations()).toEqual(keys(...range(21, 32)))
  })

  it('what still answers of it is held until the answer has been repeated for the window', () => {
    const made = doubled()
    fail(made)
    at(made, 119, range(21, 32))
    expect(made.held()).toHaveLength(4)
    at(made, 120, range(21, 32))
    made.until(120_500)
    expect(made.destinations()).toEqual(keys(...range(21, 32)))
  })
})

describe('whatever a source says and probes find', () => {
  const answer = fc.uniqueArray(fc.integer({ min: 1, max: 20 }), { maxLength: 20 })
  const step = fc.record({
    list: fc.option(answer, { nil: undefined }),
    failing: answer,
    wait: fc.integer({ min: 0, max: 40 }),
  })

  it('only a held member that fails is released by a probe, and after an empty answer only together with all others', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 100 }), (steps, maxRemoval) => {
        const rules: GuardSpec = { maxRemoval, window: 60_000, onEmpty: 'hold' }
        let state = NOTHING_GUARDED
        let empty = false
        let now = 0
        for (const { list, failing, wait } of steps) {
          now += wait * 1_000
          const dead = new Set(failing.map(key))
          if (list !== undefined) empty = list.length === 0
          const more: Partial<Circumstances> = list === undefined ? { review: 'again' } : { answered: 'test' }
          const listed = list === undefined ? state.listed : members(...list)
          const before = state
          state = guard(before, listed, rules, now, { emptied: () => empty, free: () => false, failing: () => dead, ...more })
          if (state === before) continue
          const gone = [...state.released].filter(([, why]) => why === 'probe').map(([one]) => one)
          for (const one of gone) {
            expect(before.held.has(one) && dead.has(one)).toBe(true)
            expect(state.passed.has(one)).toBe(false)
          }
          if (empty && gone.length > 0) expect(state.held.size).toBe(0)
          for (const one of before.passed.keys()) {
            if (empty && !dead.has(one)) expect(state.passed.has(one)).toBe(true)
          }
        }
      }),
    )
  })
})
