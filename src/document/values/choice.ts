import { ownEntry } from '../own-entry.ts'
import { accepted, type Grammar, hint, refused, show, wrongType } from '../reading.ts'
import { nearest, oneOf } from '../suggest.ts'

/** One word of a list. `aliases` are words of other tools that are not taken but whose meaning is known. */
export function choice<const T extends string>(words: readonly T[], aliases: Readonly<Record<string, T>> = {}): Grammar<T> {
  return {
    jsonSchema: { type: 'string', enum: words },
    read(raw) {
      const remedy = `write ${oneOf(words)}`
      if (typeof raw !== 'string') return wrongType(raw, 'one of the known words', remedy)
      const word = words.find((candidate) => candidate === raw)
      if (word !== undefined) return accepted(word)
      const meant = ownEntry(aliases, raw.toLowerCase()) ?? nearest(raw, words)
      return refused(`${show(raw)} is not known`, meant === undefined ? remedy : `did you mean ${meant}? Otherwise ${remedy}`)
    },
  }
}

/** `true` or `false`, unquoted. */
export const truth: Grammar<boolean> = {
  jsonSchema: { type: 'boolean' },
  read: (raw) =>
    typeof raw === 'boolean' ? accepted(raw) : wrongType(raw, 'true or false', 'write true or false, without quotes'),
}

/** Text of one line, not blank, of limited length. `what` is the noun of the remedy: `a name`. */
export function line(what: string, maximumLength: number): Grammar<string> {
  return lineOf(what, maximumLength, show)
}

/** The same for what may be a secret, which no sentence shows. */
export function secretLine(what: string, maximumLength: number): Grammar<string> {
  return lineOf(what, maximumLength, hint)
}

function lineOf(what: string, maximumLength: number, shown: (raw: unknown) => string): Grammar<string> {
  return {
    jsonSchema: { type: 'string', minLength: 1, maxLength: maximumLength },
    read(raw) {
      if (typeof raw === 'number' || typeof raw === 'boolean')
        return refused(`${shown(raw)} is not text`, shown === show ? `put it in quotes: "${raw}"` : 'put it in quotes')
      if (typeof raw !== 'string') return wrongType(raw, 'text', `write ${what}`, shown)
      if (raw.trim() === '') return refused('the text is empty', `write ${what}`)
      if (raw !== raw.trim()) return refused(`${shown(raw)} begins or ends with a blank`, 'remove the blanks')
      if (raw.length > maximumLength)
        return refused(`the text has ${raw.length} characters`, `write ${what} of at most ${maximumLength}`)
      if (/\p{Cc}/u.test(raw)) return refused('the text holds line breaks or control characters', `write ${what} on one line`)
      return accepted(raw)
    },
  }
}

/** `34%`; the value is the number before the sign. */
export function percentage(min: number, max: number): Grammar<number> {
  return {
    jsonSchema: { type: 'string', pattern: '^\\d{1,3}%$', examples: [`${Math.min(max, 34)}%`] },
    read(raw) {
      const remedy = `write a share from ${min}% to ${max}%`
      if (typeof raw === 'number') return refused(`${raw} has no percent sign`, remedy)
      if (typeof raw !== 'string') return wrongType(raw, 'a share', remedy)
      const digits = /^(\d{1,6})%$/.exec(raw)?.[1]
      if (digits === undefined) return refused(`${show(raw)} is not a share`, remedy)
      const share = Number(digits)
      if (share < min || share > max) return refused(`${raw} is not between ${min}% and ${max}%`, remedy)
      return accepted(share)
    },
  }
}

/** `34%`, 1 to 100. */
export const percent: Grammar<number> = percentage(1, 100)
