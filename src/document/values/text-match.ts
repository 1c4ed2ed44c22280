import type { TextMatch } from '../../model/probe-spec.ts'
import { accepted, type Grammar, hint, type Reading, refused, wrongType } from '../reading.ts'

const KEYS = ['text', 'pattern', 'not'] as const
const MOST = 4000

/**
 * What an answer must contain: a text alone, or `{ text: ... }` or `{ pattern: ... }`, each with `not: true` for the opposite.
 * `bytes`: the answer is no text, so that each character stands for one byte.
 */
export function textMatch(bytes = false): Grammar<TextMatch> {
  return {
    jsonSchema: {
      anyOf: [
        { type: 'string', minLength: 1, maxLength: MOST },
        {
          type: 'object',
          properties: {
            text: { type: 'string', minLength: 1, maxLength: MOST, description: 'Text that the answer must contain.' },
            pattern: {
              type: 'string',
              minLength: 1,
              maxLength: MOST,
              description: 'Regular expression of JavaScript that must match somewhere in the answer.',
            },
            not: { type: 'boolean', description: 'Whether the opposite is expected; false by default.' },
          },
          additionalProperties: false,
        },
      ],
    },
    read(raw) {
      const reading = readMatch(raw)
      return bytes && reading.ok ? inBytes(reading.value) : reading
    },
  }
}

/** Characters that each stand for one byte: U+0000 to U+00FF. */
export function byteText(what: string): Grammar<string> {
  return {
    jsonSchema: { type: 'string', minLength: 1, maxLength: MOST },
    read(raw) {
      if (typeof raw !== 'string') return wrongType(raw, 'text', `write ${what}, in quotes`, hint)
      if (raw === '') return refused('the text is empty', `write ${what}`)
      if (raw.length > MOST) return refused(`the text has ${raw.length} characters`, `write ${what} of at most ${MOST}`)
      return isBytes(raw) ? accepted(raw) : refused(NO_BYTE, BYTE_REMEDY)
    },
  }
}

const NO_BYTE = 'the text holds characters above U+00FF, which are more than one byte'
const BYTE_REMEDY = 'write each byte for itself, such as "\\xC3\\xBC" for the two bytes of ü'

function isBytes(text: string): boolean {
  return !/[^\0-\xff]/.test(text)
}

function inBytes(match: TextMatch): Reading<TextMatch> {
  return isBytes(match.value) ? accepted(match) : refused(NO_BYTE, BYTE_REMEDY)
}

function readMatch(raw: unknown): Reading<TextMatch> {
  const remedy = 'write a text, { text: ... } or { pattern: ... }'
  if (typeof raw === 'string') return readValue('text', raw, false)
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return wrongType(raw, 'a text', remedy, hint)
  const written = raw as Readonly<Record<string, unknown>>
  const unknown = Object.keys(written).find((key) => !KEYS.some((known) => known === key))
  if (unknown !== undefined) return refused(`the key ${unknown} is not known here`, `the known keys are ${KEYS.join(', ')}`)
  const { text, pattern, not = false } = written
  if ((text === undefined) === (pattern === undefined))
    return refused(text === undefined ? 'nothing is expected' : 'both text and pattern are expected', remedy)
  if (typeof not !== 'boolean') return wrongType(not, 'true or false', 'write not: true, or remove it')
  return text === undefined ? readValue('pattern', pattern, not) : readValue('text', text, not)
}

function readValue(by: TextMatch['by'], value: unknown, not: boolean): Reading<TextMatch> {
  const remedy = `write what the answer contains, in at most ${MOST} characters`
  if (typeof value !== 'string') return wrongType(value, 'text', 'put it in quotes', hint)
  if (value === '') return refused('the text is empty', remedy)
  if (value.length > MOST) return refused(`the text has ${value.length} characters`, remedy)
  if (by === 'pattern') {
    try {
      new RegExp(value)
    } catch (error) {
      const reason = String((error as Error).message).replace(/^.*: /s, '')
      return refused(`the pattern is not a regular expression (${reason})`, 'correct it, or write text: for a plain text')
    }
  }
  return accepted({ by, value, ...(not && { not }) })
}
