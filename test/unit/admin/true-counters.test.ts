import fc from 'fast-check'
import { expect, test } from 'vitest'
import { countOn, type TrueCounters, totals } from '../../../src/admin/true-counters.ts'
import { counters } from './readings.ts'

test('the first reading counts in full: a restart of the daemon is no reset of the series', () => {
  expect(totals(countOn(undefined, counters(40n)))).toEqual(counters(40n))
})

test('readings that rise are shown as the kernel gives them', () => {
  const state = countOn(countOn(undefined, counters(40n)), counters(55n))
  expect(totals(state)).toEqual(counters(55n))
})

test('a total that went backwards adds itself to what was counted before', () => {
  let state = countOn(countOn(undefined, counters(40n)), counters(3n))
  expect(totals(state)).toEqual(counters(43n))
  state = countOn(countOn(state, counters(10n)), counters(0n))
  expect(totals(state)).toEqual(counters(50n))
})

test('one field that went backwards proves that all began again', () => {
  const first = { connections: 5n, packetsIn: 5n, packetsOut: 0n, bytesIn: 100n, bytesOut: 0n }
  const second = { connections: 6n, packetsIn: 9n, packetsOut: 0n, bytesIn: 60n, bytesOut: 0n }
  expect(totals(countOn(countOn(undefined, first), second))).toEqual({
    connections: 11n,
    packetsIn: 14n,
    packetsOut: 0n,
    bytesIn: 160n,
    bytesOut: 0n,
  })
})

test('totals above what a double can hold stay exact', () => {
  const huge = 2n ** 63n
  expect(totals(countOn(countOn(undefined, counters(huge)), counters(1n))).connections).toBe(huge + 1n)
})

test('whatever the kernel does, no counter ever falls and the sum of the lives is shown', () => {
  const lives = fc.array(fc.array(fc.bigInt({ min: 0n, max: 1000n }), { minLength: 1, maxLength: 6 }), {
    minLength: 1,
    maxLength: 5,
  })
  fc.assert(
    fc.property(lives, (increments) => {
      let state: TrueCounters | undefined
      let last = 0n
      for (const life of increments) {
        let total = 0n
        for (const increment of life) {
          total += increment
          state = countOn(state, counters(total))
          expect(totals(state).connections).toBeGreaterThanOrEqual(last)
          last = totals(state).connections
        }
      }
    }),
  )
})
