import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AnswerText, describeMismatch, MOST_OF_AN_ANSWER } from '../../../src/health/answer-text.ts'
import type { TextMatch } from '../../../src/model/probe-spec.ts'

/** What becomes of an answer that comes in these pieces and then ends. */
function verdict(match: TextMatch, pieces: readonly Buffer[], encoding: 'latin1' | 'utf8' = 'utf8'): boolean {
  const answer = new AnswerText(match, encoding)
  for (const piece of pieces) {
    const fits = answer.add(piece)
    if (fits !== undefined) return fits
  }
  return answer.end()
}

/** A text cut at random places. */
const pieces = fc
  .tuple(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.array(fc.nat(200), { maxLength: 10 }))
  .map(([text, cuts]) => {
    const bytes = Buffer.from(text)
    const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]
    return { text, pieces: places.slice(1).map((end, index) => bytes.subarray(places[index], end)) }
  })

describe('a text in an answer', () => {
  it('is found wherever the answer is cut, also within a character', () => {
    fc.assert(
      fc.property(pieces, fc.nat(60), fc.integer({ min: 1, max: 10 }), fc.boolean(), ({ text, pieces }, from, length, not) => {
        const value = text.slice(from, from + length) || 'x'
        // Half a character in the search is no text of the answer.
        fc.pre(value.isWellFormed())
        const match = { by: 'text', value, ...(not && { not }) } as TextMatch
        expect(verdict(match, pieces)).toBe(text.includes(value) !== not)
      }),
    )
  })

  it('is found among bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(60), (bytes, at) => {
        const value = Buffer.from(bytes.subarray(at, at + 3)).toString('latin1') || '\xff\xff\xff\xff'
        const cut = Math.floor(bytes.length / 2)
        const parts = [Buffer.from(bytes.subarray(0, cut)), Buffer.from(bytes.subarray(cut))]
        expect(verdict({ by: 'text', value }, parts, 'latin1')).toBe(Buffer.from(bytes).includes(value, 0, 'latin1'))
      }),
    )
  })

  it('counts within the first 64 KiB alone, which decide', () => {
    const full = Buffer.alloc(MOST_OF_AN_ANSWER, 'x')
    const answer = new AnswerText({ by: 'text', value: 'y' }, 'utf8')
    expect(answer.add(full.subarray(1))).toBeUndefined()
    expect(answer.add(Buffer.from('xy'))).toBe(false)
    expect(new AnswerText({ by: 'text', value: 'y', not: true }, 'utf8').add(full)).toBe(true)
  })

  it('is described', () => {
    expect(describeMismatch({ by: 'text', value: 'a"b' })).toBe('without "a\\"b"')
    expect(describeMismatch({ by: 'pattern', value: 'a+', not: true })).toBe('with what matches /a+/')
  })
})
