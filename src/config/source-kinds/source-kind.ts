import type { z } from 'zod'
import type { Reading } from '../../document/reading.ts'
import type { SourceSpec } from '../../model/source-spec.ts'

/** How one kind of source is written in a configuration. */
export interface SourceKind<Schema extends z.ZodType = z.ZodType> {
  /** What stands behind the kind's key. */
  readonly schema: Schema
  /** A short example, for messages: `file: { path: /etc/pointsman/web.yaml }`. */
  readonly example: string
  /** The spec with every default filled in. Relative paths begin at `directory`, that of the configuration. */
  toSpec(written: z.output<Schema>, directory: string): Reading<SourceSpec>
}

/** Keeps the schema's type while it is checked against the interface. */
export function sourceKind<Schema extends z.ZodType>(kind: SourceKind<Schema>): SourceKind<Schema> {
  return kind
}
