import fc from 'fast-check'
import { expect, it } from 'vitest'
import { differingKeys, SharedMap } from '../../../src/model/shared-map.ts'

const key = fc.integer({ min: 0, max: 150 }).map((number) => `tcp/10.0.0.${number}:80`)
const value = fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined })
/** From none to more than one chunk of the map takes. */
const edit = fc.uniqueArray(fc.tuple(key, value), { selector: ([name]) => name, maxLength: 100 })

function model(before: ReadonlyMap<string, number>, edits: readonly (readonly [string, number | undefined])[]) {
  const after = new Map(before)
  for (const [name, number] of edits) {
    if (number === undefined) after.delete(name)
    else after.set(name, number)
  }
  return after
}

it('is a map in the order of its keys after any edits, and every earlier version stays as it was', () => {
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 8 }), (history) => {
      let map = SharedMap.from<string, number>([])
      let plain = new Map<string, number>()
      const versions: [SharedMap<string, number>, ReadonlyMap<string, number>][] = []
      for (const edits of history) {
        const values = new Map(edits)
        map = map.edited([...values.keys()], (name) => values.get(name))
        plain = model(plain, edits)
        versions.push([map, plain])
      }
      for (const [version, entries] of versions) {
        expect([...version]).toEqual([...entries])
        expect([...version.keys()]).toEqual([...entries.keys()])
        expect([...version.values()]).toEqual([...entries.values()])
        expect(version.size).toBe(entries.size)
        for (const [name, number] of entries) expect(version.get(name)).toBe(number)
        const told: [string, number][] = []
        version.forEach((number, name) => {
          told.push([name, number])
        })
        expect(told).toEqual([...entries])
      }
    }),
  )
})

it('names the keys in which two maps differ, shared or plain, related or not', () => {
  fc.assert(
    fc.property(edit, edit, (first, second) => {
      const before = SharedMap.from([...model(new Map(), first)])
      const values = new Map(second)
      const after = before.edited([...values.keys()], (name) => values.get(name))
      const all = new Set([...before.keys(), ...after.keys()])
      const expected = [...all].filter((name) => before.get(name) !== after.get(name)).sort()
      expect([...differingKeys(before, after)].sort()).toEqual(expected)
      expect([...differingKeys(new Map(before), after)].sort()).toEqual(expected)
      expect([...differingKeys(before, SharedMap.from(after))].sort()).toEqual(expected)
      expect(differingKeys(undefined, after)).toEqual([...after.keys()])
      expect(differingKeys(after, after)).toEqual([])
    }),
  )
})

it('is the same object when an edit changes nothing', () => {
  const map = SharedMap.from<string, number>([['a', 1]])
  expect(map.edited(['a', 'b'], (name) => map.get(name))).toBe(map)
  expect(SharedMap.of(map)).toBe(map)
})
