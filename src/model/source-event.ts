import type { BackendSet } from './backend.ts'

/** Why a source cannot answer: one sentence for people, a code for programs. */
export interface SourceFailure {
  readonly code: string
  readonly message: string
  /** Milliseconds since the epoch. */
  readonly at: number
}

/**
 * What a source knows. "Not known yet", "known" and "known once, now failing" are different values, and none of them
 * is an empty set. A source's stream never errors and never completes by itself.
 */
export type SourceEvent =
  | { readonly kind: 'pending'; readonly failure?: SourceFailure }
  | { readonly kind: 'fresh'; readonly set: BackendSet }
  | { readonly kind: 'stale'; readonly set: BackendSet; readonly failure: SourceFailure }
