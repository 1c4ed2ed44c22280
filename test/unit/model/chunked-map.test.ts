import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ChunkedMap } from '../../../src/model/chunked-map.ts'

const key = fc.integer({ min: 0, max: 400 }).map((n) => `10.0.${n >> 8}.${n & 255}:80`)
const step = fc.record({ key, value: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }) })

it('behaves as a plain map under any sequence of steps, and every earlier version stays as it was', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const model = new Map<string, number>()
      let map = ChunkedMap.empty<string, number>()
      const versions: [ChunkedMap<string, number>, [string, number][]][] = []
      for (const { key, value } of steps) {
        versions.push([map, [...model]])
        map = value === undefined ? map.without(key) : map.with(key, value)
        if (value === undefined) model.delete(key)
        else model.set(key, value)
      }
      versions.push([map, [...model]])
      for (const [version, entries] of versions) {
        expect(version.size).toBe(entries.length)
        expect(new Map(version)).toEqual(new Map(entries))
        expect([...version.keys()].sort()).toEqual(entries.map(([k]) => k).sort())
        for (const [k, v] of entries) expect(version.get(k)).toBe(v)
      }
    }),
  )
})

it('names exactly the keys in which two maps differ, related or not', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.integer())), fc.array(fc.tuple(key, fc.integer())), fc.array(step), (a, b, steps) => {
      const left = ChunkedMap.from(a)
      let related = left
      for (const { key, value } of steps) related = value === undefined ? related.without(key) : related.with(key, value)
      for (const right of [ChunkedMap.from(b), related]) {
        const all = new Set([...left.keys(), ...right.keys()])
        const expected = [...all].filter((k) => left.get(k) !== right.get(k) || left.has(k) !== right.has(k))
        expect(left.differsFrom(right).sort()).toEqual(expected.sort())
      }
    }),
  )
})

it('makes many steps at once as it makes them one by one', () => {
  const keys = fc.uniqueArray(key, { maxLength: 300 })
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.integer())), keys, keys, fc.integer(), (entries, set, gone, value) => {
      const map = ChunkedMap.from(entries)
      const before = [...map]
      const edited = map.edited(
        set.map((k) => [k, value] as const),
        gone,
      )
      const less = gone.reduce((one, k) => one.without(k), map)
      const expected = set.reduce((one, k) => one.with(k, value), less)
      expect(new Map(edited)).toEqual(new Map(expected))
      expect(edited.size).toBe(expected.size)
      expect([...map]).toEqual(before)
    }),
  )
})

it('is the same object when many steps change nothing', () => {
  const map = ChunkedMap.from<string, number>(Array.from({ length: 300 }, (_, i) => [`10.1.0.${i}:80`, i] as const))
  expect(map.edited([['10.1.0.7:80', 7]], ['10.9.9.9:80'])).toBe(map)
})

it('is the same object when a step changes nothing', () => {
  const map = ChunkedMap.from<string, number>([['a', 1]])
  expect(map.with('a', 1)).toBe(map)
  expect(map.without('b')).toBe(map)
})

it('finds the one changed key among ten thousand', () => {
  const big = ChunkedMap.from(Array.from({ length: 10_000 }, (_, i) => [`10.1.${i >> 8}.${i & 255}:8080`, i] as const))
  const changed = big.with('10.1.0.7:8080', -1)
  expect(changed.differsFrom(big)).toEqual(['10.1.0.7:8080'])
  expect(big.size).toBe(10_000)
})
