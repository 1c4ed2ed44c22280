import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Backend, sameBackend, sameBackends } from '../../../src/model/backend.ts'
import { backend, backends } from '../pipeline/makers.ts'

const different: readonly Partial<Backend>[] = [
  { weight: 0 },
  { weight: 1 },
  { port: 81 },
  { upperThreshold: 0 },
  { lowerThreshold: 0 },
  { priority: 0 },
  { forwarding: { method: 'nat' } },
  { forwarding: { method: 'direct' } },
  { meta: { zone: 'a' } },
  { meta: { zone: 'b' } },
  { meta: { zone: 'a', rack: '1' } },
]

describe('equal reports of a member', () => {
  it('are equal to a copy and differ in every attribute', () => {
    const all = [backend(1), backend(2), ...different.map((more) => backend(1, more))]
    for (const [i, a] of all.entries())
      for (const [j, b] of all.entries()) expect(sameBackend(a, structuredClone(b))).toBe(i === j)
  })

  it('take no labels and an empty set of labels for the same', () => {
    expect(sameBackend(backend(1), backend(1, { meta: {} }))).toBe(true)
  })

  it('do not take a label for one that every object has', () => {
    expect(sameBackend(backend(1, { meta: { toString: 'x' } }), backend(1, { meta: { other: 'x' } }))).toBe(false)
  })

  it('make equal sets in any order', () => {
    const some = fc.uniqueArray(fc.integer({ min: 1, max: 20 }))
    fc.assert(
      fc.property(some, some, (a, b) => {
        const same = a.length === b.length && a.every((one) => b.includes(one))
        expect(sameBackends(backends(...a), backends(...b))).toBe(same)
        expect(sameBackends(backends(...a), backends(...a.toReversed()))).toBe(true)
      }),
    )
  })
})
