import { describe, expect, it } from 'vitest'
import { judge } from '../../bench/bars.ts'
import { sizesFor } from '../../bench/plan.ts'
import type { Measure } from '../../bench/sample.ts'
import { median, ratio, SeriesBook } from '../../bench/series.ts'

const sizes = sizesFor(false)
const everywhere = { consul: true }

function bookOf(samples: readonly (readonly [Measure, string, string, number])[]): SeriesBook {
  const book = new SeriesBook()
  for (const [measure, shape, subject, value] of samples) book.add({ kind: 'sample', measure, shape, subject, value })
  return book
}

describe('the bars', () => {
  it('judge only what was measured', () => {
    expect(judge(new SeriesBook(), sizes, everywhere)).toEqual([])
  })

  it('hold a first pass against the ceiling of the same round', () => {
    const slowMachine = bookOf([
      ['apply', '1000 x 10', 'ceiling', 100],
      ['apply', '1000 x 10', 'pass', 120],
      ['apply', '1000 x 10', 'ceiling', 1000],
      ['apply', '1000 x 10', 'pass', 1200],
    ])
    expect(judge(slowMachine, sizes, everywhere)).toMatchObject([{ value: 1.2, limit: 1.3, met: true }])
  })

  it('are missed above the limit, and say what to profile', () => {
    const book = bookOf([
      ['resync', '1000 x 10', 'ipvsadm -Ln', 100],
      ['resync', '1000 x 10', 'pass', 101],
    ])
    expect(judge(book, sizes, everywhere)).toMatchObject([{ met: false, profile: { measure: 'resync', shape: sizes.many } }])
  })

  it('take the longest hold of any pass, and leave scrapes out', () => {
    const book = bookOf([
      ['hold', '100 x 100', 'first pass', 19],
      ['hold', '100 x 100', 'unchanged resync', 3],
      ['hold', '100 x 100', 'scrape', 40],
    ])
    expect(judge(book, sizes, everywhere)).toMatchObject([{ value: 19, met: true }])
  })

  it('hold the road from Consul against a bare query, each quantile against its own', () => {
    const book = bookOf(
      [...Array(100).keys()].flatMap((number) => [
        ['register', '1000 x 10', 'https: in the kernel', number === 50 ? 200 : 30] as const,
        ['register', '1000 x 10', 'https: in the kernel', number === 50 ? 150 : 30] as const,
        ['register', '1000 x 10', 'https: in the kernel', number === 50 ? 100 : 30] as const,
        ['register', '1000 x 10', 'https: bare query', 10] as const,
      ]),
    )
    expect(judge(book, sizes, everywhere)).toMatchObject([
      { value: 20, limit: 25, met: true },
      { value: 20, limit: 60, met: true },
    ])
    book.add({ kind: 'sample', measure: 'register', shape: '1000 x 10', subject: 'https: in the kernel', value: 120 })
    expect(judge(book, sizes, everywhere)[1]).toMatchObject({ value: 90, met: false })
    expect(judge(book, sizes, { consul: false })).toEqual([])
  })

  it('take the processor time beside an idle agent', () => {
    const book = bookOf([['idle', '1000 x 10', 'https', 2.5]])
    expect(judge(book, sizes, everywhere)).toMatchObject([{ value: 2.5, unit: '%', met: false }])
  })
})

describe('series', () => {
  it('have a median', () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(median([1, 9])).toBe(5)
  })

  it('compare by medians where the rounds were not the same', () => {
    const one = { measure: 'change', shape: 'x', subject: 'a', values: [10, 20, 30] } as const
    const other = { measure: 'change', shape: 'x', subject: 'b', values: [4] } as const
    expect(ratio(one, other)).toBe(5)
  })
})
