import type { Document } from '../../document/document.ts'
import type { Issue } from '../../document/issue.ts'
import { isMapping } from '../../document/reading.ts'
import type { ResolvedFile } from '../joined.ts'
import { resolveTree, toVeiled } from './in-tree.ts'
import type { Surroundings } from './lookup.ts'
import { settleTypes } from './typed.ts'

/** Where there are no interfaces, variables and documents. */
export const NOWHERE: Surroundings = { environment: {}, interfaces: {}, documents: [] }

/** What names files is resolved before those are read. */
const RESOLVED_EARLIER = ['include', 'parameters']

export interface ResolvedFiles {
  readonly files: readonly [ResolvedFile, ...ResolvedFile[]]
  readonly issues: readonly Issue[]
}

/** Puts everything in place of the parameters of all files. */
export function resolveFiles(documents: readonly [Document, ...Document[]], surroundings: Surroundings): ResolvedFiles {
  const [main, ...others] = documents
  const issues: Issue[] = []
  const resolve = (document: Document) => resolveFile(document, surroundings, issues)
  return { files: [resolve(main), ...others.map(resolve)], issues }
}

function resolveFile(document: Document, surroundings: Surroundings, issues: Issue[]): ResolvedFile {
  const written = document.value
  if (!isMapping(written)) return { document, value: {}, veiled: [] }
  const { keep, rest } = parted(written)
  const resolved = resolveTree(document, rest, [], surroundings)
  issues.push(...resolved.issues)
  const value = { ...keep, ...(resolved.value as Readonly<Record<string, unknown>>) }
  settleTypes(value, resolved.occurrences)
  return { document, value, veiled: toVeiled(resolved.occurrences) }
}

function parted(value: Readonly<Record<string, unknown>>) {
  const entries = Object.entries(value)
  const isEarlier = ([key]: [string, unknown]) => RESOLVED_EARLIER.includes(key)
  return {
    keep: Object.fromEntries(entries.filter(isEarlier)),
    rest: Object.fromEntries(entries.filter((entry) => !isEarlier(entry))),
  }
}
