import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Asking, NOT_ASKED, nextQuestion, type Outcome } from '../../../../src/sources/consul/blocking.ts'

const one = { agents: 1, random: 0.5 }
const failed: Outcome = { kind: 'failed' }

function answered(index: bigint | undefined, believed = true): Outcome {
  return { kind: 'answered', index, believed }
}

function askingAfter(outcomes: readonly Outcome[], now = 1_000_000, chance: { agents: number; random: number } = one): Asking {
  return outcomes.reduce((asking, outcome, step) => nextQuestion(asking, outcome, now + step * 10_000, chance).asking, NOT_ASKED)
}

describe('the index of a blocking query', () => {
  it('is none at first and then the one of the last answer', () => {
    expect(NOT_ASKED.index).toBe(0n)
    expect(askingAfter([answered(7n)]).index).toBe(7n)
    expect(askingAfter([answered(7n), answered(7n)]).index).toBe(7n)
    expect(askingAfter([answered(7n), answered(9n)]).index).toBe(9n)
  })

  it('starts over when it falls', () => {
    expect(askingAfter([answered(7n), answered(6n)]).index).toBe(0n)
    expect(askingAfter([answered(7n), answered(6n), answered(6n)]).index).toBe(6n)
  })

  it('is 1 where the agent gives none, 0 or less, because an index of 0 would not wait', () => {
    for (const index of [undefined, 0n, -5n]) expect(askingAfter([answered(index)]).index).toBe(1n)
  })

  it('is exact beyond 53 bits', () => {
    expect(askingAfter([answered(2n ** 63n + 1n)]).index).toBe(2n ** 63n + 1n)
  })

  it('is forgotten after a failure, which makes a restarted agent with a lower index answer at once', () => {
    expect(askingAfter([answered(7n), failed]).index).toBe(0n)
  })

  it('is forgotten after an answer that cannot be believed', () => {
    expect(askingAfter([answered(7n), answered(8n, false)]).index).toBe(0n)
  })
})

describe('the pace of blocking queries', () => {
  const delayAfter = (asking: Asking, outcome: Outcome, now: number, chance = one) => nextQuestion(asking, outcome, now, chance)

  it('lets a few changes in a row through at once and then ten a second', () => {
    let asking = NOT_ASKED
    let now = 5_000
    const delays: number[] = []
    for (let change = 0; change < 30; change++) {
      const next = delayAfter(asking, answered(BigInt(change + 1)), now)
      asking = next.asking
      delays.push(next.delay)
      now += next.delay
    }
    expect(delays.slice(0, 9)).toEqual(new Array(9).fill(0))
    expect(delays.slice(11)).toEqual(new Array(19).fill(100))
  })

  it('never spins, whatever the agent says', () => {
    const outcomes = fc.array(
      fc.oneof(
        fc.record({
          kind: fc.constant('answered' as const),
          index: fc.option(fc.bigInt(-2n, 50n), { nil: undefined }),
          believed: fc.boolean(),
        }),
        fc.constant(failed),
      ),
      { minLength: 40, maxLength: 200 },
    )
    fc.assert(
      fc.property(
        outcomes,
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        fc.integer({ min: 1, max: 3 }),
        (all, random, agents) => {
          let asking = NOT_ASKED
          let now = 0
          for (const outcome of all) {
            const next = nextQuestion(asking, outcome, now, { agents, random })
            expect(next.delay).toBeGreaterThanOrEqual(0)
            expect(next.delay).toBeLessThanOrEqual(30_000)
            expect(next.asking.index).toBeGreaterThanOrEqual(0n)
            asking = next.asking
            now += next.delay
          }
          // Ten answers and ten failed rounds over all agents in a second at most, after a burst of ten.
          expect(now).toBeGreaterThanOrEqual((all.length * 100) / (1 + agents) - 1_200)
        },
      ),
    )
  })

  it('backs off twice as far after every failure, up to half a minute, and for ever', () => {
    const ceiling = (failures: number) =>
      nextQuestion(askingAfter(new Array(failures).fill(failed)), failed, 9e9, { agents: 1, random: 0.999_999 }).delay
    expect([0, 1, 2, 3, 7, 8, 500].map(ceiling)).toEqual([200, 400, 800, 1_600, 25_600, 30_000, 30_000])
  })

  it('spreads the back-off over the whole range, and never asks again at once', () => {
    const delay = (random: number) =>
      nextQuestion(askingAfter(new Array(6).fill(failed)), failed, 9e9, { agents: 1, random }).delay
    expect([0, 0.25, 0.5].map(delay)).toEqual([100, 3_200, 6_400])
  })

  it('asks the other agents before it waits', () => {
    const delays = [0, 1, 2, 3, 4, 5].map(
      (failures) =>
        nextQuestion(askingAfter(new Array(failures).fill(failed), 0, { agents: 3, random: 1 }), failed, 9e9, {
          agents: 3,
          random: 1,
        }).delay,
    )
    expect(delays).toEqual([0, 0, 200, 0, 0, 400])
  })

  it('forgets the failures with one answer', () => {
    const asking = askingAfter([failed, failed, failed, answered(4n)])
    expect(asking).toMatchObject({ failures: 0, index: 4n })
  })

  it('clears the first doubt at once and those that follow with pauses', () => {
    const delays: number[] = []
    let asking = NOT_ASKED
    for (let doubt = 0; doubt < 8; doubt++) {
      const next = nextQuestion(asking, answered(5n, false), 1e6 + doubt * 60_000, { agents: 1, random: 1 })
      asking = next.asking
      delays.push(next.delay)
    }
    expect(delays).toEqual([0, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000])
  })
})
