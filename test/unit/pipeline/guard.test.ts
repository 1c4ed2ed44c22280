import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { GuardSpec } from '../../../src/model/service-spec.ts'
import { type Circumstances, floorOf, type Guarded, guard, NOTHING_GUARDED } from '../../../src/pipeline/guard.ts'
import { backend, backends, key, members, numbers } from './makers.ts'

const usual: GuardSpec = { maxRemoval: 34, window: 60_000, onEmpty: 'hold' }
const SOURCE = 'test'

/** One service's guard; every answer is a fresh, trusted one of its only source unless told otherwise. */
class Pool {
  state: Guarded = NOTHING_GUARDED
  readonly #spec: GuardSpec

  constructor(spec: Partial<GuardSpec> = {}) {
    this.#spec = { ...usual, ...spec }
  }

  says(seconds: number, list: Parameters<typeof members>, more: Partial<Circumstances> = {}): this {
    this.state = guard(this.state, members(...list), this.#spec, seconds * 1_000, {
      answered: SOURCE,
      emptied: () => list.length === 0,
      free: () => false,
      ...more,
    })
    return this
  }

  get passed(): string[] {
    return numbers(this.state.passed)
  }

  get held(): string[] {
    return [...this.state.held.keys()].sort()
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

function keys(...list: number[]): string[] {
  return list.map(key).sort()
}

describe('the floor', () => {
  it.each([
    [12, 34, 8],
    [10, 34, 7],
    [4, 34, 3],
    [5, 34, 4],
    [100, 1, 99],
    [50, 34, 33],
    [3, 34, 2],
    [2, 34, 1],
    [1, 34, 0],
    [3, 10, 2],
    [3, 100, 0],
    [0, 34, 0],
  ])('of %i members less %i percent is %i', (peak, maxRemoval, floor) => {
    expect(floorOf(peak, { ...usual, maxRemoval })).toBe(floor)
  })
})

describe('what a source takes away', () => {
  it('goes while enough remain', () => {
    expect(new Pool().says(0, range(1, 12)).says(1, range(1, 8))).toMatchObject({ passed: keys(...range(1, 8)), held: [] })
  })

  it('is held as far as it goes below the floor, all that was known of the member with it', () => {
    const pool = new Pool().says(0, [...range(1, 11), backend(12, { weight: 7 })])
    const member = pool.state.passed.get(key(12))
    pool.says(1, range(1, 6))
    expect(pool.passed).toEqual(keys(...range(1, 6), 11, 12))
    expect(pool.held).toEqual(keys(11, 12))
    expect(pool.state.held.get(key(11))).toEqual({ since: 1_000, rule: 'removal' })
    expect(pool.state.passed.get(key(12))).toBe(member)
  })

  it('counts against the highest number of the window and not against the last', () => {
    const pool = new Pool().says(0, range(1, 12)).says(20, range(1, 10)).says(40, range(1, 8)).says(59, range(1, 7))
    expect(pool.held).toEqual(keys(8))
  })

  it('is one member in each window in a pool below four', () => {
    const pool = new Pool().says(0, [1, 2, 3]).says(1, [1, 2]).says(60, [1])
    expect(pool.held).toEqual(keys(2))
    expect(new Pool().says(0, [1, 2, 3]).says(1, [1, 2]).says(61, [1])).toMatchObject({ passed: keys(1), held: [] })
  })

  it('does not count where the registry says that the member is down', () => {
    const down = range(1, 9).map((number) => backend(number, { state: number % 2 === 0 ? 'critical' : 'maintenance' }))
    const pool = new Pool().says(0, range(1, 12)).says(1, [...down, 10, 11, 12])
    expect(pool.passed).toHaveLength(12)
    expect(pool.says(2, [10, 11, 12])).toMatchObject({ passed: keys(10, 11, 12), held: [] })
    expect(pool.says(3, [11, 12]).held).toEqual(keys(10))
    expect(pool.says(70, [backend(11, { state: 'critical' }), 12]).says(140, [12])).toMatchObject({ passed: keys(12), held: [] })
  })

  it('does not count where a source is not the cause, neither now nor in what later removals are measured by', () => {
    const pool = new Pool().says(0, range(1, 12)).says(1, range(1, 4), { free: () => true })
    expect(pool).toMatchObject({ passed: keys(1, 2, 3, 4), held: [] })
    expect(pool.says(2, [1, 2, 3])).toMatchObject({ passed: keys(1, 2, 3), held: [] })
    expect(pool.says(3, [1, 2]).held).toEqual(keys(3))
  })
})

describe('members that probes call down or the operator maintains', () => {
  const away = (seconds: number, ...list: number[]) => ({
    away: () => new Map(list.map((number) => [key(number), seconds * 1_000] as const)),
    failing: () => new Set(list.map(key)),
  })

  it('do not count among those who remain: the healthy rest of a pool is guarded by its own number', () => {
    const pool = new Pool().says(0, range(1, 12)).says(600, range(1, 8), away(300, ...range(1, 8)))
    expect(pool.held).toEqual(keys(10, 11, 12))
    const half = new Pool().says(0, range(1, 12)).says(600, range(1, 8), away(300, ...range(1, 6)))
    expect(half.held).toEqual(keys(11, 12))
  })

  it('count in what the rest is measured by for the window in which they fell', () => {
    const fell = (seconds: number) => new Pool().says(0, range(1, 12)).says(600, range(1, 8), away(seconds, ...range(1, 6))).held
    expect(fell(541)).toEqual(keys(9, 10, 11, 12))
    expect(fell(540)).toEqual(keys(11, 12))
  })

  it('count again when they are well', () => {
    const pool = new Pool()
      .says(0, range(1, 12))
      .says(10, range(1, 13), away(5, ...range(1, 6)))
      .says(1_000, range(1, 6))
    expect(pool.held).toEqual(keys(11, 12, 13))
  })

  it('may leave, and what later removals are measured by never counted them', () => {
    const down = away(300, ...range(1, 6))
    const pool = new Pool().says(0, range(1, 12)).says(600, range(7, 12), down)
    expect(pool).toMatchObject({ passed: keys(...range(7, 12)), held: [] })
    expect(pool.says(601, range(7, 10), down).held).toEqual([])
    expect(pool.says(602, range(7, 9), down).held).toEqual(keys(10))
  })

  it('pay for what is held when they are well again', () => {
    const pool = new Pool().says(0, range(1, 12)).says(600, range(1, 6), away(300, 1, 2))
    expect(pool.held).toEqual(keys(10, 11, 12))
    pool.says(610, range(1, 6), { review: 'again' })
    expect(pool.held).toEqual(keys(12))
    expect([...pool.state.released.values()]).toEqual(['paid', 'paid'])
  })
})

describe('what arrives', () => {
  it('is always believed', () => {
    const pool = new Pool().says(0, [1]).says(0, range(1, 500))
    expect(pool.passed).toHaveLength(500)
  })

  it('pays for what leaves with it: a whole pool may be replaced at once', () => {
    expect(new Pool().says(0, range(1, 12)).says(1, range(21, 32))).toMatchObject({ passed: keys(...range(21, 32)), held: [] })
  })

  it('pays one for one for what is held, longest first', () => {
    const pool = new Pool().says(0, range(1, 12)).says(1, range(1, 7)).says(2, range(1, 6))
    expect(pool.held).toEqual(keys(7, 12))
    pool.says(3, [...range(1, 6), 20])
    expect(pool.held).toEqual(keys(7))
    expect(pool.state.released).toEqual(new Map([[key(12), 'paid']]))
  })

  it('lets nothing go when it is only the return of what was held', () => {
    const pool = new Pool().says(0, range(1, 12)).says(1, range(1, 6)).says(100, range(1, 6), { answered: 'other' })
    pool.says(101, [...range(1, 6), 11], { answered: 'other' })
    expect(pool.held).toEqual(keys(12))
    expect(pool.state.released).toEqual(new Map([[key(11), 'returned']]))
  })
})

describe('what is held', () => {
  const halved = () => new Pool().says(0, range(1, 12)).says(10, range(1, 6))

  it('goes when fresh answers have repeated it for the window', () => {
    expect(halved().says(69, range(1, 6)).held).toEqual(keys(11, 12))
    const pool = halved().says(70, range(1, 6))
    expect(pool).toMatchObject({ passed: keys(...range(1, 6)), held: [] })
    expect(pool.state.released).toEqual(
      new Map([
        [key(11), 'repeated'],
        [key(12), 'repeated'],
      ]),
    )
  })

  it('stays as long as only time passes, another source answers, or nobody is sure', () => {
    const pool = halved()
    const before = pool.state
    const { answered: _, ...unsure } = { answered: SOURCE, emptied: () => false, free: () => false }
    expect(guard(pool.state, pool.state.listed, usual, 1e9, unsure)).toBe(before)
    pool.says(1e6, range(1, 6), { answered: 'file /other' })
    expect(pool.held).toEqual(keys(11, 12))
  })

  it('is counted anew when an answer has named it meanwhile', () => {
    const pool = halved().says(60, range(1, 12)).says(65, range(1, 6)).says(80, range(1, 6))
    expect(pool.held).toEqual(keys(11, 12))
  })

  it('goes when the operator says so', () => {
    const pool = halved()
    pool.state = guard(pool.state, pool.state.listed, usual, 11_000, { emptied: () => false, free: () => true, review: 'again' })
    expect(pool).toMatchObject({ passed: keys(...range(1, 6)), held: [] })
    expect([...pool.state.released.values()]).toEqual(['free', 'free'])
  })

  it('is judged by new rules', () => {
    const pool = halved()
    const permissive = { ...usual, maxRemoval: 50 }
    pool.state = guard(pool.state, pool.state.listed, permissive, 11_000, {
      emptied: () => false,
      free: () => false,
      review: 'anew',
    })
    expect(pool.held).toEqual([])
  })
})

describe('an empty answer', () => {
  it('is held until it is approved, however often it is repeated', () => {
    const pool = new Pool().says(0, [1, 2])
    for (let seconds = 1; seconds < 100_000; seconds += 60) pool.says(seconds, [])
    expect(pool).toMatchObject({ passed: keys(1, 2), held: keys(1, 2) })
    expect(pool.state.held.get(key(1))).toEqual({ since: 1_000, rule: 'empty' })
  })

  it('is applied where the configuration says so', () => {
    expect(new Pool({ onEmpty: 'apply' }).says(0, range(1, 12)).says(1, [])).toMatchObject({ passed: [], held: [] })
  })

  it('is applied when it has been repeated for the duration', () => {
    const pool = new Pool({ onEmpty: 600_000 }).says(0, [1, 2]).says(10, []).says(609, [])
    expect(pool.passed).toEqual(keys(1, 2))
    expect(pool.says(610, []).passed).toEqual([])
  })

  it('costs nobody when the registry fills up again member by member', () => {
    const pool = new Pool().says(0, range(1, 12)).says(10, [])
    for (let filled = 1; filled <= 12; filled++) {
      pool.says(600 + filled, range(1, filled))
      expect(pool.passed).toEqual(keys(...range(1, 12)))
    }
    expect(pool.held).toEqual([])
  })

  it('is no proof against those who are missing when the registry has filled up in part', () => {
    const pool = new Pool().says(0, range(1, 12)).says(10, []).says(600, [1]).says(659, [1])
    expect(pool.passed).toHaveLength(12)
    expect(pool.says(660, [1]).passed).toEqual(keys(1))
  })

  it('of members that are down is believed', () => {
    const down = [backend(1, { state: 'critical' }), backend(2, { state: 'maintenance' })]
    expect(new Pool().says(0, down).says(1, []).passed).toEqual([])
  })
})

describe('sharing with the state before', () => {
  it('gives back the same state for the same answer', () => {
    const { state } = new Pool().says(0, [1, 2, 3])
    const again = guard(state, state.listed, usual, 5_000, { answered: SOURCE, emptied: () => false, free: () => false })
    expect(again).toBe(state)
  })

  it('passes on the very map that it was given while it holds nothing', () => {
    const list = members(1, 2)
    expect(guard(NOTHING_GUARDED, list, usual, 0, { emptied: () => false, free: () => false }).passed).toBe(list)
  })

  it('passes on the same map while what it holds stays the same', () => {
    const pool = new Pool().says(0, range(1, 12)).says(1, range(1, 6))
    const { passed, listed } = pool.state
    const again = guard(pool.state, listed, usual, 9_000, { answered: SOURCE, emptied: () => false, free: () => false })
    expect(again.passed).toBe(passed)
  })
})

describe('whatever a source says', () => {
  const answer = fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { maxLength: 24 })
  const step = fc.record({ list: answer, wait: fc.integer({ min: 0, max: 40 }) })
  const rules = fc.record({ maxRemoval: fc.integer({ min: 1, max: 100 }), window: fc.integer({ min: 1, max: 100 }) })

  it('the number of members never falls below the floor of the window without approval or repetition', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), rules, (steps, { maxRemoval, window }) => {
        const spec: GuardSpec = { maxRemoval, window: window * 1_000, onEmpty: 'hold' }
        let state = NOTHING_GUARDED
        let now = 0
        const seen: { at: number; count: number }[] = [{ at: 0, count: 0 }]
        for (const { list, wait } of steps) {
          now += wait * 1_000
          const listed = members(...list)
          state = guard(state, listed, spec, now, { emptied: () => list.length === 0, free: () => false })
          for (const number of list) expect(state.passed.has(key(number))).toBe(true)
          const inForce = seen.filter((_, index) => (seen[index + 1]?.at ?? now + 1) > now - spec.window)
          const peak = Math.max(...inForce.map(({ count }) => count))
          const last = seen.at(-1)?.count ?? 0
          if (state.passed.size < last) expect(state.passed.size).toBeGreaterThanOrEqual(floorOf(peak, spec))
          if (last > 0) expect(state.passed.size).toBeGreaterThan(list.length === 0 ? 0 : -1)
          seen.push({ at: now, count: state.passed.size })
        }
      }),
    )
  })

  it('nobody stays once answers have repeated the same for a window, except after an empty one', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), rules, (steps, { maxRemoval, window }) => {
        const spec: GuardSpec = { maxRemoval, window: window * 1_000, onEmpty: 'hold' }
        let state = NOTHING_GUARDED
        let now = 0
        const last = steps.at(-1)?.list ?? []
        const final = members(...last)
        const say = (listed: typeof final) => {
          state = guard(state, listed, spec, now, { answered: SOURCE, emptied: () => listed.size === 0, free: () => false })
        }
        for (const { list, wait } of steps) {
          now += wait * 1_000
          say(members(...list))
        }
        now += spec.window
        say(final)
        if (last.length > 0) expect(numbers(state.passed)).toEqual(numbers(backends(...last)))
      }),
    )
  })
})
