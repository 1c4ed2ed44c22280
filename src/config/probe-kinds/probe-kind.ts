import type { z } from 'zod'
import type { Reading } from '../../document/reading.ts'
import type { ProbeKind } from '../../model/probe-spec.ts'

/** How one kind of probe is written in a health check. */
export interface ProbeGrammar<Schema extends z.ZodType = z.ZodType> {
  /** The section named after the kind. All its keys may be left out, so that `type` alone makes one; `toSpec` says what is missing. */
  readonly schema: Schema
  /** A short example, for messages: `dns: { name: www.example }`. */
  readonly example: string
  /** The spec with every default filled in. Relative paths begin at `directory`, that of the configuration. */
  toSpec(written: z.output<Schema>, directory: string): Reading<ProbeKind>
}

/** Keeps the schema's type while it is checked against the interface. */
export function probeKind<Schema extends z.ZodType>(kind: ProbeGrammar<Schema>): ProbeGrammar<Schema> {
  return kind
}
