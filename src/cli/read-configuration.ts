import type { Configuration, Overrides } from '../config/configuration.ts'
import { loadFrom } from '../config/load-from.ts'
import type { WhatWasRead } from '../config/read-trace.ts'
import { isOfOverride } from '../config/setting-definitions.ts'
import { realReach } from '../daemon/reach.ts'
import { type Issue, issuesError } from '../document/issue.ts'
import { MAX_DOCUMENT_BYTES, readDocument, tooLarge } from '../document/read.ts'
import type { PointsmanError } from '../errors.ts'

/** A configuration that may run, and what is worth a word about it. */
export interface ReadConfiguration {
  readonly configuration: Configuration
  readonly warnings: readonly Issue[]
  /** What it was made of. */
  readonly bytes: Uint8Array
  /** And beside its own file. */
  readonly read: WhatWasRead
}

/**
 * Reads and checks a configuration file; `-` is standard input. Rejects with CONFIG_UNREADABLE, also where only such things are
 * wrong as may be right a moment later, with CONFIG_INVALID or, where the file is right and a flag or a variable is not, with
 * BAD_INPUT; all problems in one error.
 */
export async function readConfiguration(path: string, overrides: Overrides): Promise<ReadConfiguration> {
  const bytes = await readBytes(path)
  const { result, read } = await loadFrom({ path, bytes }, overrides, realReach())
  if (!result.ok) throw invalid(result.issues)
  return { configuration: result.configuration, warnings: result.warnings, bytes, read }
}

function invalid(issues: readonly Issue[]): PointsmanError {
  if (issues.every(isOfOverride)) return issuesError('BAD_INPUT', issues)
  // The unit ends for good where a configuration is not valid; after a moment's trouble it is to try again.
  return issuesError(issues.every(({ transient }) => transient) ? 'CONFIG_UNREADABLE' : 'CONFIG_INVALID', issues)
}

/** The bytes of a file, or of standard input where it is `-`. Rejects with CONFIG_UNREADABLE. */
export async function readBytes(path: string): Promise<Uint8Array> {
  if (path === '-') return readStandardInput()
  const read = await readDocument(path)
  if (!read.ok) throw issuesError('CONFIG_UNREADABLE', [read.issue])
  return read.bytes
}

async function readStandardInput(): Promise<Uint8Array> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of process.stdin as AsyncIterable<Buffer>) {
    size += piece.length
    if (size > MAX_DOCUMENT_BYTES) throw issuesError('CONFIG_UNREADABLE', [tooLarge('-', size)])
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}
