import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planWatches, TRIGGERS, usableConnections } from '../../../../src/sources/consul/watch-plan.ts'

describe('how services share connections', () => {
  it('gives each its own while there are enough', () => {
    expect(planWatches({ services: 100, scopes: 3, questions: 100 })).toEqual({ direct: 100, triggered: 0, readers: 0 })
  })

  it('keeps a few for triggers and readers beyond that', () => {
    expect(planWatches({ services: 101, scopes: 1, questions: 100 })).toEqual({ direct: 87, triggered: 1, readers: 8 })
    expect(planWatches({ services: 1_000, scopes: 2, questions: 100 })).toEqual({ direct: 82, triggered: 2, readers: 8 })
  })

  it('polls scopes for whose triggers there is no connection', () => {
    expect(planWatches({ services: 50, scopes: 3, questions: 8 })).toEqual({ direct: 1, triggered: 1, readers: 2 })
    expect(planWatches({ services: 50, scopes: 1, questions: 4 })).toEqual({ direct: 3, triggered: 0, readers: 1 })
  })

  it('never takes more connections than there are, and always has one for every service', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5_000 }),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 4, max: 300 }),
        (services, scopes, questions) => {
          const { direct, triggered, readers } = planWatches({ services, scopes, questions })
          expect(direct + triggered * TRIGGERS + readers).toBeLessThanOrEqual(questions)
          expect(Math.min(direct, triggered, readers)).toBeGreaterThanOrEqual(0)
          expect(triggered).toBeLessThanOrEqual(scopes)
          expect(direct === services || readers > 0).toBe(true)
        },
      ),
    )
  })
})

describe('how many connections may be used', () => {
  it('are as many as is configured, and four fifths of what the agent takes at most', () => {
    expect(usableConnections(100, 200)).toBe(100)
    expect(usableConnections(500, 200)).toBe(160)
    expect(usableConnections(100, 50)).toBe(40)
  })

  it('are as many as is configured where the agent has no limit', () => {
    expect(usableConnections(500, 0)).toBe(500)
  })

  it('are never too few to go on', () => {
    expect(usableConnections(100, 1)).toBeGreaterThanOrEqual(4)
  })
})
