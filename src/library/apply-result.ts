import type { Change } from '../model/change.ts'

/**
 * What became of one change of a plan. `not made`: it was not needed any more, because somebody else had made it, or a service was
 * spared because something foreign had appeared in it.
 */
export type ObjectResult =
  | { readonly change: Change; readonly outcome: 'done' | 'not made' }
  | { readonly change: Change; readonly outcome: 'failed'; readonly code: string; readonly message: string }

export interface ApplyResult {
  /** One for each change of the plan, in its order. */
  readonly results: readonly ObjectResult[]
  /** Nothing failed. */
  readonly ok: boolean
  /** Drains still under way: they end when a later plan is applied, by being idle or at their deadline. */
  readonly draining: number
}
