import { hash } from 'node:crypto'
import { resolve } from 'node:path'
import type { Expansion } from './include/glob.ts'
import type { Bytes } from './reach.ts'

/** What a configuration was made of beside its own file, so that whoever runs it sees changes. Paths are absolute. */
export interface WhatWasRead {
  readonly files: readonly FileRead[]
  readonly patterns: readonly PatternRead[]
  /** Equal where all of it, web servers and interfaces included, said the same; empty where there is nothing of it. */
  readonly fingerprint: string
}

export interface FileRead {
  readonly path: string
  /** Of its bytes; undefined where it could not be read. */
  readonly fingerprint: string | undefined
}

export interface PatternRead {
  readonly pattern: string
  readonly directories: readonly string[]
  /** What it stood for. */
  readonly found: string
}

/** That of a configuration which is its own file and no more. */
export const NOTHING_BESIDE: WhatWasRead = { files: [], patterns: [], fingerprint: '' }

/** One thing that was read. */
export type ReadNote = { readonly file: FileRead } | { readonly pattern: PatternRead } | { readonly beyond: string }

/** Gathers what is read while a configuration is loaded, and tells of each at once, for whoever may not see the end. */
export class ReadTrace {
  readonly #files: FileRead[] = []
  readonly #patterns: PatternRead[] = []
  readonly #beyond: string[] = []
  readonly #tell: (note: ReadNote) => void

  constructor(tell: (note: ReadNote) => void = () => {}) {
    this.#tell = tell
  }

  read(path: string, result: Bytes): void {
    this.note({ file: { path: resolve(path), fingerprint: result.ok ? fingerprintOf(result.bytes) : undefined } })
  }

  expanded(pattern: string, { directories, ...result }: { readonly ok: boolean } & Partial<Expansion>): void {
    const found = foundOf(result)
    this.note({
      pattern: { pattern: resolve(pattern), directories: (directories ?? []).map((each) => resolve(each)), found },
    })
  }

  /** `what`: everything that was said. */
  asked(what: string): void {
    this.note({ beyond: what })
  }

  note(note: ReadNote): void {
    if ('file' in note) this.#files.push(note.file)
    else if ('pattern' in note) this.#patterns.push(note.pattern)
    else this.#beyond.push(note.beyond)
    this.#tell(note)
  }

  result(): WhatWasRead {
    const files = this.#files
    const patterns = this.#patterns
    if (files.length + patterns.length + this.#beyond.length === 0) return NOTHING_BESIDE
    const all = JSON.stringify([files, patterns.map(({ pattern, found }) => [pattern, found]), this.#beyond])
    return { files, patterns, fingerprint: hash('sha256', all) }
  }
}

export function fingerprintOf(bytes: Uint8Array): string {
  return hash('sha256', bytes)
}

/** What a pattern stands for, in one word that differs where anything does. */
export function foundOf({ paths, ok }: { readonly ok: boolean; readonly paths?: readonly string[] }): string {
  return ok ? JSON.stringify((paths ?? []).map((path) => resolve(path))) : 'nothing'
}
