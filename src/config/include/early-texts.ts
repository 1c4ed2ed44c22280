import { type Document, type Path, veil } from '../../document/document.ts'
import type { Issue } from '../../document/issue.ts'
import { resolveTree, toVeiled } from '../parameters/in-tree.ts'
import type { Surroundings } from '../parameters/lookup.ts'

export interface EarlyTexts {
  readonly value: unknown
  /** The document, which knows of the values in the texts. */
  readonly document: Document
  readonly issues: readonly Issue[]
}

/** Paths or addresses with everything in place of their parameters; documents are not among what these may name. */
export function earlyTexts(document: Document, value: unknown, at: Path, surroundings: Surroundings): EarlyTexts {
  const resolved = resolveTree(document, value, at, { ...surroundings, documents: 'unread' })
  return { value: resolved.value, document: veil(document, toVeiled(resolved.occurrences)), issues: resolved.issues }
}
