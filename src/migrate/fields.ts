import type { Document, Path } from '../document/document.ts'
import { isMapping } from '../document/reading.ts'
import { HIDDEN } from '../model/hidden.ts'
import type { LeftOut, Place } from './imported.ts'
import { SECRET, withoutSecrets } from './secrets.ts'

/** Reason and remedy of keys that have no counterpart. */
export type Keys = Readonly<Record<string, readonly [reason: string, remedy: string]>>

/** A mapping of a YAML or JSON file, whose keys are taken one by one; what nobody takes is listed. */
export class Fields {
  readonly document: Document
  readonly path: Path
  readonly #value: Readonly<Record<string, unknown>>
  readonly #taken = new Set<string>()
  readonly #untrue = new Set<string>()

  /** A value that is no mapping has no keys; `isMapping` says so. */
  constructor(document: Document, path: Path, value: unknown) {
    this.document = document
    this.path = path
    this.#value = isMapping(value) ? value : {}
  }

  /** The value of a key; undefined where it is not written or null. */
  take(key: string): unknown {
    this.#taken.add(key)
    return this.#value[key] ?? undefined
  }

  text(key: string): string | undefined {
    const value = this.take(key)
    return typeof value === 'string' ? value : undefined
  }

  number(key: string): number | undefined {
    const value = this.take(key)
    return typeof value === 'number' ? value : undefined
  }

  /** As Go reads it, quoted or not; what is neither is listed. */
  truth(key: string): boolean | undefined {
    const value = this.take(key)
    const truth = value === undefined ? undefined : TRUTHS.find((words) => words.includes(String(value)))
    if (value !== undefined && truth === undefined) this.#untrue.add(key)
    return truth === undefined ? undefined : truth === TRUTHS[0]
  }

  inner(key: string): Fields {
    return new Fields(this.document, [...this.path, key], this.take(key))
  }

  list(key: string): readonly Fields[] {
    const value = this.take(key)
    return Array.isArray(value) ? value.map((one, at) => new Fields(this.document, [...this.path, key, at], one)) : []
  }

  has(key: string): boolean {
    return this.#value[key] !== undefined && this.#value[key] !== null
  }

  /** Where the mapping, or one of its keys, stands. */
  place(key?: string): Place {
    const { line } = this.document.locate(key === undefined ? this.path : [...this.path, key], 'key')
    return { file: this.document.file, line }
  }

  /** A key that nothing, or something else, was made of. */
  leftOut(key: string, reason: string, remedy: string): LeftOut {
    const value = this.#value[key]
    const text = SECRET.test(key) ? HIDDEN : withoutSecrets(String(value))
    const directive = typeof value === 'object' && value !== null ? key : `${key}: ${text}`
    return { ...this.place(key), directive, reason, remedy }
  }

  /** The keys that nobody took, or that were not what they should be. */
  others(known: Keys): LeftOut[] {
    const untaken = Object.keys(this.#value).filter((key) => !this.#taken.has(key))
    return [
      ...[...this.#untrue].map((key) => this.leftOut(key, 'it is neither true nor false', 'write one of the two')),
      ...untaken.map((key) => this.leftOut(key, ...(known[key] ?? UNKNOWN))),
    ]
  }
}

/** What strconv.ParseBool takes, first for true and then for false. */
const TRUTHS = [
  ['true', '1', 't', 'T', 'TRUE', 'True'],
  ['false', '0', 'f', 'F', 'FALSE', 'False'],
]

const UNKNOWN = ['nothing is known of this key here', 'look up what it meant, and write it'] as const
