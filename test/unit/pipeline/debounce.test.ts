import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Debounced, debounce, dueAt, NOTHING_PASSED, passWhatIsDue, waitingCount } from '../../../src/pipeline/debounce.ts'
import type { Members } from '../../../src/pipeline/hold.ts'
import { backend, key, members, numbers } from './makers.ts'

const times = { min: 500, max: 2_000 }

/** Lets time run to `until` as the wire does: a wake-up at every due time. */
function run(state: Debounced, until: number, passes: number[] = []): Debounced {
  for (let due = dueAt(state, times); due !== undefined && due <= until; due = dueAt(state, times)) {
    const next = passWhatIsDue(state, times, due)
    expect(next, `a wake-up at ${due} that lets nothing pass would spin`).not.toBe(state)
    if (next.passed !== state.passed) passes.push(due)
    state = next
  }
  return state
}

const start = debounce(NOTHING_PASSED, members(1, 2, 3), times, 0, true)

describe('debouncing members', () => {
  it('lets the first members pass at once', () => {
    expect(start.passed).toBe(start.wanted)
    expect(dueAt(start, times)).toBeUndefined()
    expect(waitingCount(start)).toBe(0)
  })

  it('lets an addition pass at once after quiet', () => {
    const next = debounce(start, members(1, 2, 3, 4), times, 500)
    expect(numbers(next.passed)).toEqual(numbers(members(1, 2, 3, 4)))
  })

  it('lets an edit pass at once after quiet', () => {
    const next = debounce(start, members(backend(1, { weight: 0 }), 2, 3), times, 500)
    expect(next.passed.get(key(1))?.backend.weight).toBe(0)
  })

  it('makes an addition wait when something has just passed', () => {
    const next = debounce(start, members(1, 2, 3, 4), times, 499)
    expect(next.passed).toBe(start.passed)
    expect(waitingCount(next)).toBe(1)
    expect(dueAt(next, times)).toBe(999)
    expect(numbers(run(next, 999).passed)).toEqual(numbers(members(1, 2, 3, 4)))
  })

  it('makes a removal wait min although all was quiet', () => {
    const next = debounce(start, members(1, 2), times, 10_000)
    expect(next.passed).toEqual(start.passed)
    expect(dueAt(next, times)).toBe(10_500)
    expect(passWhatIsDue(next, times, 10_499)).toBe(next)
    expect(numbers(passWhatIsDue(next, times, 10_500).passed)).toEqual(numbers(members(1, 2)))
  })

  it('writes nothing for a member that leaves and returns within min', () => {
    const gone = debounce(start, members(1, 2), times, 10_000)
    const back = debounce(gone, members(1, 2, 3), times, 10_499)
    expect(dueAt(back, times)).toBeUndefined()
    expect(run(back, 60_000).passed.get(key(3))).toBe(start.passed.get(key(3)))
  })

  it('lets a replacement pass in two halves, the addition first', () => {
    const next = debounce(start, members(1, 2, 4), times, 10_000)
    expect(numbers(next.passed)).toEqual(numbers(members(1, 2, 3, 4)))
    expect(numbers(run(next, 10_500).passed)).toEqual(numbers(members(1, 2, 4)))
  })

  it('lets nothing wait longer than max although members change all the time', () => {
    let state = start
    for (let now = 10_000; now <= 12_000; now += 100) {
      state = run(state, now)
      state = debounce(state, members(1, 2, ...(now % 200 === 0 ? [] : [9])), times, now)
    }
    expect(run(state, 12_000).passed.has(key(3))).toBe(false)
  })

  it('lets a removal go after one and a half times min although others go all the time', () => {
    const all = Array.from({ length: 20 }, (_, index) => index + 1)
    let state = debounce(NOTHING_PASSED, members(...all), times, 0, true)
    const passes: number[] = []
    for (let gone = 1; gone <= 10; gone++)
      state = debounce(run(state, 10_000 + 100 * gone, passes), members(...all.slice(gone)), times, 10_000 + 100 * gone)
    expect(passes).toEqual([10_850])
    expect([1, 2, 3, 4, 5].map((member) => state.passed.has(key(member)))).toEqual([false, false, false, true, true])
  })

  it('keeps a member through max when it has been away for less than min', () => {
    let state = debounce(start, members(1, 3), times, 10_000)
    for (let now = 10_100; now < 12_000; now += 100)
      state = debounce(state, members(1, ...(now % 200 === 0 ? [] : [3])), times, now)
    state = run(state, 12_000)
    expect(state.passed.has(key(2))).toBe(false)
    expect(state.passed.has(key(3))).toBe(true)
  })

  it('lets pass at once what a configuration brings, removals still after min', () => {
    const next = debounce(start, members(1, 4), times, 100, true)
    expect(numbers(next.passed)).toEqual(numbers(members(1, 2, 3, 4)))
    expect(numbers(run(next, 600).passed)).toEqual(numbers(members(1, 4)))
  })

  it('waits for nothing with min and max 0', () => {
    const none = { min: 0, max: 0 }
    const next = debounce(debounce(NOTHING_PASSED, members(1, 2), none, 0), members(2, 3), none, 0)
    expect(numbers(next.passed)).toEqual(numbers(members(2, 3)))
  })

  it('does not spin where max is below min', () => {
    const odd = { min: 500, max: 100 }
    const next = debounce(start, members(1, 2), odd, 10_000)
    expect(dueAt(next, odd)).toBe(10_100)
    expect(passWhatIsDue(next, odd, 10_100).passed.has(key(3))).toBe(false)
  })
})

describe('any history of members', () => {
  const history = fc.array(
    fc.record({
      after: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 3_000 })),
      set: fc.uniqueArray(fc.integer({ min: 1, max: 6 })),
      weight: fc.integer({ min: 0, max: 2 }),
    }),
    { maxLength: 40 },
  )

  function replay(
    events: readonly { after: number; set: number[]; weight: number }[],
    watch: (s: Debounced, now: number) => void,
  ) {
    let state = start
    let now = 0
    for (const { after, set, weight } of events) {
      const next = now + after
      for (let due = dueAt(state, times); due !== undefined && due <= next; due = dueAt(state, times)) {
        state = passWhatIsDue(state, times, due)
        watch(state, due)
      }
      now = next
      state = debounce(state, members(...set.map((one) => backend(one, { weight }))), times, now)
      watch(state, now)
    }
    return run(state, now + 10_000)
  }

  it('ends in the newest state with nothing waiting', () => {
    fc.assert(
      fc.property(history, (events) => {
        const end = replay(events, () => {})
        expect(end.passed).toEqual(end.wanted)
        expect(waitingCount(end)).toBe(0)
      }),
    )
  })

  it('removes only what has been away for min, and lets nothing wait longer than max', () => {
    fc.assert(
      fc.property(history, (events) => {
        const awaySince = new Map<string, number>()
        const differentSince = new Map<string, number>()
        let before: Members = start.passed
        replay(events, (state, now) => {
          for (const at of before.keys()) {
            if (!state.passed.has(at)) expect(now - (awaySince.get(at) ?? now)).toBeGreaterThanOrEqual(times.min)
          }
          before = state.passed
          for (const at of [1, 2, 3, 4, 5, 6].map(key)) {
            if (state.wanted.has(at)) awaySince.delete(at)
            else if (!awaySince.has(at)) awaySince.set(at, now)
            if (state.wanted.get(at) === state.passed.get(at)) differentSince.delete(at)
            else if (!differentSince.has(at)) differentSince.set(at, now)
            const { max } = times
            expect(now - (differentSince.get(at) ?? now)).toBeLessThanOrEqual(max)
          }
        })
      }),
    )
  })

  it('passes at most twice for a burst shorter than min', () => {
    const burst = fc.array(
      fc.record({ after: fc.constant(0), set: fc.uniqueArray(fc.integer({ min: 1, max: 6 })), weight: fc.nat(3) }),
      {
        minLength: 1,
        maxLength: 200,
      },
    )
    fc.assert(
      fc.property(burst, (events) => {
        let state = run(debounce(start, members(5, 6), times, 5_000), 20_000)
        const passes: number[] = []
        for (const [index, { set, weight }] of events.entries()) {
          const next = debounce(state, members(...set.map((one) => backend(one, { weight }))), times, 20_000 + index / 4)
          if (next.passed !== state.passed) passes.push(index)
          state = next
        }
        run(state, 60_000, passes)
        expect(passes.length).toBeLessThanOrEqual(2)
      }),
    )
  })
})
