import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { freeStretch } from '../../../../src/sinks/snat/port-range.ts'

describe('the free stretch of a port range', () => {
  it('has none of the taken ports and no longer one beside it', () => {
    const port = fc.integer({ min: 1, max: 60 })
    fc.assert(
      fc.property(port, port, fc.array(port, { maxLength: 30 }), (a, b, taken) => {
        const range = { first: Math.min(a, b), last: Math.max(a, b) }
        const free = freeStretch(range, taken)
        const all = Array.from({ length: range.last - range.first + 1 }, (_, index) => range.first + index)
        const stretches = all
          .map((each) => (taken.includes(each) ? ' ' : '.'))
          .join('')
          .split(' ')
        const longest = Math.max(...stretches.map(({ length }) => length))
        if (longest === 0) return expect(free).toEqual(range)
        expect(free.last - free.first + 1).toBe(longest)
        expect(taken.filter((each) => each >= free.first && each <= free.last)).toEqual([])
        expect([free.first >= range.first, free.last <= range.last]).toEqual([true, true])
      }),
    )
  })
})
