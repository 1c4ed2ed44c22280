import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Earliest } from '../../../src/health/earliest.ts'

interface Item {
  readonly at: number
  readonly name: number
}

function taken(earliest: Earliest<Item>): Item[] {
  const all: Item[] = []
  for (let next = earliest.take(); next !== undefined; next = earliest.take()) all.push(next)
  return all
}

/** Array.prototype.sort keeps the order of equals. */
const inOrder = (items: readonly Item[]) => items.toSorted((a, b) => a.at - b.at)

const times = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 200 })

describe('the earliest of many', () => {
  it('gives them in the order of their times, and of equals the first that came', () => {
    fc.assert(
      fc.property(times, (list) => {
        const items = list.map((at, name) => ({ at, name }))
        const earliest = new Earliest<Item>()
        for (const item of items) earliest.add(item)
        expect(earliest.size).toBe(items.length)
        expect(earliest.top).toEqual(inOrder(items)[0])
        expect(taken(earliest)).toEqual(inOrder(items))
        expect(earliest.top).toBeUndefined()
      }),
    )
  })

  it('stays in order while things come, go and are left out', () => {
    const move = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), at: fc.integer({ min: 0, max: 20 }) }),
      fc.record({ kind: fc.constant('take' as const) }),
      fc.record({ kind: fc.constant('keep' as const), of: fc.integer({ min: 2, max: 4 }) }),
    )
    fc.assert(
      fc.property(fc.array(move, { maxLength: 100 }), (moves) => {
        const earliest = new Earliest<Item>()
        let model: Item[] = []
        for (const [name, one] of moves.entries()) {
          if (one.kind === 'add') {
            earliest.add({ at: one.at, name })
            model = inOrder([...model, { at: one.at, name }])
          }
          if (one.kind === 'take') expect(earliest.take()).toEqual(model.shift())
          if (one.kind === 'keep') {
            earliest.keep((item) => item.name % one.of !== 0)
            model = model.filter((item) => item.name % one.of !== 0)
          }
        }
        expect(taken(earliest)).toEqual(model)
      }),
    )
  })
})
