import type { Document } from '../document/document.ts'
import { parseDocument } from '../document/parse.ts'
import type { LoadResult, Overrides } from './configuration.ts'
import { inOrder } from './findings.ts'
import { readParameterDocuments } from './include/documents.ts'
import { readIncluded } from './include/files.ts'
import { understand } from './load.ts'
import { someText } from './parameters/in-tree.ts'
import type { Surroundings } from './parameters/lookup.ts'
import { mayHaveParameters } from './parameters/template.ts'
import type { Reach } from './reach.ts'
import { NOTHING_BESIDE, type ReadNote, ReadTrace, type WhatWasRead } from './read-trace.ts'

/** A configuration, and what it was made of beside its own file; the latter also where the former is not valid. */
export interface Loaded {
  readonly result: LoadResult
  readonly read: WhatWasRead
}

/**
 * Reads a configuration as `loadConfiguration` does, with the files that it includes and everything that its parameters stand
 * for. Reaches for nothing that it does not name. Never rejects for bad input. `tell` hears of each thing that was read.
 */
export async function loadFrom(
  source: { readonly path: string; readonly bytes: Uint8Array },
  overrides: Overrides,
  reach: Reach,
  tell?: (note: ReadNote) => void,
): Promise<Loaded> {
  const parsed = parseDocument(source.bytes, { path: source.path })
  if (!parsed.ok) return { result: parsed, read: NOTHING_BESIDE }
  const trace = new ReadTrace(tell)
  const main = parsed.document
  const known: Surroundings = { environment: overrides.environment ?? {}, interfaces: reach.interfaces(), documents: 'unread' }
  const [included, beside] = await Promise.all([
    readIncluded(main, known, reach, trace),
    readParameterDocuments(main, known, reach, trace),
  ])
  if (included.documents.some(asksForAddresses)) trace.asked(JSON.stringify(known.interfaces))
  const issues = [...beside.issues, ...included.issues]
  const read = trace.result()
  const order = included.documents.map(({ file }) => file)
  if (issues.length > 0) return { result: { ok: false, issues: inOrder(issues, order) }, read }
  return { result: understand(included.documents, { ...known, documents: beside.documents }, overrides), read }
}

/** May say yes for nothing: then a change of the addresses has the same configuration taken once more. */
function asksForAddresses({ value }: Document): boolean {
  return someText(value, (text) => mayHaveParameters(text) && text.includes('host.'))
}
