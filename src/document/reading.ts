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
  if (typeof raw === 'string') return JSON.stringify(raw.length > 60 ? `${raw.slice(0, 57)}...` : raw)
  if (Array.isArray(raw)) return 'a list'
  if (typeof raw === 'object') return 'a mapping'
  return String(raw)
}

/** The sentence for a value of the wrong type. */
export function wrongType(raw: unknown, wanted: string, remedy: string): Misreading {
  if (raw === null || raw === undefined) return refused('nothing is written here', remedy)
  return refused(`${show(raw)} is not ${wanted}`, remedy)
}
