import type { Document, Path } from '../document/document.ts'
import { ownEntry } from '../document/own-entry.ts'
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
  /** What was taken and is something else than it should be. */
  readonly #unfit = new Map<string, readonly [reason: string, remedy: string]>()

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
    return typeof value === 'string' ? value : this.#misfit(key, value, 'text')
  }

  /** In quotes as well: JSON of protobuf has numbers so, too. */
  number(key: string): number | undefined {
    const value = this.take(key)
    if (typeof value === 'number') return value
    return typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : this.#misfit(key, value, 'number')
  }

  /** As Go reads it, quoted or not; what is neither is listed. */
  truth(key: string): boolean | undefined {
    const value = this.take(key)
    const truth = value === undefined ? undefined : TRUTHS.find((words) => words.includes(String(value)))
    if (value !== undefined && truth === undefined) this.#unfit.set(key, ['it is neither true nor false', 'write one of the two'])
    return truth === undefined ? undefined : truth === TRUTHS[0]
  }

  inner(key: string): Fields {
    const value = this.take(key)
    if (!isMapping(value)) this.#misfit(key, value, 'mapping')
    return new Fields(this.document, [...this.path, key], value)
  }

  list(key: string): readonly Fields[] {
    const value = this.take(key)
    if (!Array.isArray(value)) this.#misfit(key, value, 'list')
    return Array.isArray(value) ? value.map((one, at) => new Fields(this.document, [...this.path, key, at], one)) : []
  }

  /** Lists what is not what it should be; nothing where nothing is written. */
  #misfit(key: string, value: unknown, due: string): undefined {
    if (value !== undefined) this.#unfit.set(key, [`it is no ${due}`, 'look up what it meant, and write it'])
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
      ...[...this.#unfit].map(([key, why]) => this.leftOut(key, ...why)),
      ...untaken.map((key) => this.leftOut(key, ...(ownEntry(known, key) ?? UNKNOWN))),
    ]
  }
}

/** What strconv.ParseBool takes, first for true and then for false. */
const TRUTHS = [
  ['true', '1', 't', 'T', 'TRUE', 'True'],
  ['false', '0', 'f', 'F', 'FALSE', 'False'],
]

const UNKNOWN = ['nothing is known of this key here', 'look up what it meant, and write it'] as const
