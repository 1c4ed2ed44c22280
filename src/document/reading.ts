import { HIDDEN } from '../model/hidden.ts'

/** What became of a raw value: the value it stands for, or what is wrong and what to write. */
export type Reading<T> = { readonly ok: true; readonly value: T } | Misreading

export interface Misreading {
  readonly ok: false
  readonly problem: string
  readonly remedy: string
}

/** One kind of value that people write: how it is read, and what a JSON Schema says about it. */
export interface Grammar<T> {
  /** `raw` is what a YAML or JSON parser gave, or the text of a flag or variable. */
  read(raw: unknown): Reading<T>
  /** For editors: type, pattern, examples. */
  readonly jsonSchema: Readonly<Record<string, unknown>>
}

export function accepted<T>(value: T): Reading<T> {
  return { ok: true, value }
}

export function refused(problem: string, remedy: string): Misreading {
  return { ok: false, problem, remedy }
}

/** Whether a raw value has keys. */
export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The start of a sentence about a raw value: `"abc" `, `70000 `, `nothing is written here`. */
export function show(raw: unknown): string {
  if (raw === null || raw === undefined) return 'nothing'
  if (typeof raw === 'string') {
    const text = withoutLogin(raw)
    return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text)
  }
  if (Array.isArray(raw)) return 'a list'
  if (typeof raw === 'object') return 'a mapping'
  return String(raw)
}

/** An address with a login may stand anywhere by mistake; neither that nor its query is shown. */
export function withoutLogin(text: string): string {
  return text.includes('://') ? text.split(/(\s)/).map(wordWithoutLogin).join('') : text
}

function wordWithoutLogin(word: string): string {
  const from = word.indexOf('://') + '://'.length
  if (from < '://'.length) return word
  const end = word.lastIndexOf('@')
  const shown = end < from ? word : `${word.slice(0, from)}${HIDDEN}${word.slice(end)}`
  const query = shown.indexOf('?')
  return query < 0 ? shown : `${shown.slice(0, query)}?...`
}

/** The same where text may be a secret: that something is written is said, and not what. */
export function hint(raw: unknown): string {
  if (typeof raw === 'string') return 'a text'
  return typeof raw === 'number' ? 'a number' : show(raw)
}

/** What of an address may be shown where it cannot be read as one: the user's name, his password and the query may be secrets. */
export function showAddress(address: string): string {
  return show(address.replace(/^([a-z+]+:\/\/)?.*@/i, '$1').replace(/[?#].*$/s, ''))
}

/** The sentence for a value of the wrong type. `shown`: `hint` for what may be a secret. */
export function wrongType(raw: unknown, wanted: string, remedy: string, shown: (raw: unknown) => string = show): Misreading {
  if (raw === null || raw === undefined) return refused('nothing is written here', remedy)
  return refused(`${shown(raw)} is not ${wanted}`, remedy)
}
