import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Backoff, retryDelay } from '../../../../src/sinks/ipvs/backoff.ts'

const error = { code: 'KERNEL_REFUSED', message: 'no' }

describe('retryDelay', () => {
  it('doubles from a second to a minute, and spreads by a quarter to either side', () => {
    expect([1, 2, 3, 6, 7, 50].map((failures) => retryDelay(failures, 0.5))).toEqual([
      1_000, 2_000, 4_000, 32_000, 60_000, 60_000,
    ])
    expect([0, 0.999].map((random) => retryDelay(3, random))).toEqual([3_000, 4_998])
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (failures, random) => {
          const delay = retryDelay(failures, random)
          expect(delay).toBeGreaterThanOrEqual(1_000)
          expect(delay).toBeLessThanOrEqual(60_000)
        },
      ),
    )
  })
})

describe('Backoff', () => {
  it('holds an object until its time, unless something else is wanted of it', () => {
    const backoff = new Backoff<string>(() => 0.5)
    const wanted = {}
    backoff.fail('web a', 'web', wanted, 0, error)
    expect(backoff.holds('web a', wanted, 999)).toBe(true)
    expect(backoff.holds('web a', {}, 999)).toBe(false)
    expect(backoff.holds('web a', wanted, 1_000)).toBe(false)
    expect([...backoff.due(999)]).toEqual([])
    expect([...backoff.due(1_000)]).toEqual(['web'])
    backoff.fail('web a', 'web', wanted, 1_000, error)
    expect(backoff.list()).toEqual([{ object: 'web a', ...error, retryAt: 3_000 }])
    expect(backoff.nextRetry()).toBe(3_000)
  })

  it('forgets an owner’s objects that need nothing, and leaves other owners alone', () => {
    const backoff = new Backoff<string>(() => 0.5)
    for (const object of ['web a', 'web b', 'dns a']) backoff.fail(object, object.slice(0, 3), undefined, 0, error)
    backoff.keepOnly('web', new Set(['web b']))
    expect(backoff.list().map(({ object }) => object)).toEqual(['web b', 'dns a'])
    backoff.clear('web b')
    expect([...backoff.owners()]).toEqual(['dns'])
    backoff.clearAll()
    expect(backoff.nextRetry()).toBeUndefined()
    expect([...backoff.owners()]).toEqual([])
  })
})
