import { dirname, resolve } from 'node:path'
import type { Document, Path } from '../document/document.ts'
import type { Interpretation } from '../document/schema.ts'
import type { WrittenDefaults, WrittenService } from './service-schema.ts'

type InheritedKey = keyof WrittenDefaults

/** What holds for one key of a service, and where that was written. */
export interface Effective<T> {
  readonly value: T | undefined
  readonly path: Path
  readonly inherited: boolean
  /** Something is written and could not be read: nothing may be concluded from it. */
  readonly unknown: boolean
}

/** A service as written, over the defaults as written. */
export interface Draft {
  readonly document: Document
  /** Where relative paths begin. */
  readonly directory: string
  readonly path: Path
  readonly raw: unknown
  readonly own: WrittenService
  readonly unreadable: ReadonlySet<string>
  readonly defaults: Interpretation<WrittenDefaults>
}

/** That of the file in which a path stands; relative paths begin there. */
export function directoryOf(document: Document, path: Path): string {
  const { file } = document.origin?.(path).document ?? document
  return resolve(file === '-' ? '.' : dirname(file))
}

/** The service's own word, else the defaults'. */
export function effective<K extends InheritedKey>(draft: Draft, key: K): Effective<NonNullable<WrittenDefaults[K]>> {
  const own = draft.own[key] as NonNullable<WrittenDefaults[K]> | undefined
  const ownPath = [...draft.path, key]
  if (own !== undefined || draft.unreadable.has(key)) {
    return { value: own, path: ownPath, inherited: false, unknown: draft.unreadable.has(key) }
  }
  const inherited = draft.defaults.value?.[key] ?? undefined
  const unknown = draft.defaults.unreadable.has(key)
  if (inherited === undefined && !unknown) return { value: undefined, path: ownPath, inherited: false, unknown }
  return { value: inherited as NonNullable<WrittenDefaults[K]> | undefined, path: ['defaults', key], inherited: true, unknown }
}

/** Mappings are inherited key by key. */
export function merged<K extends 'debounce' | 'drain' | 'guard' | 'hold' | 'quorum'>(
  draft: Draft,
  key: K,
): NonNullable<WrittenDefaults[K]> {
  return { ...draft.defaults.value?.[key], ...draft.own[key] } as NonNullable<WrittenDefaults[K]>
}

/** Whether the service itself says something about the key, readable or not. */
export function writes(draft: Draft, key: keyof WrittenService): boolean {
  return draft.own[key] !== undefined || draft.unreadable.has(key)
}
