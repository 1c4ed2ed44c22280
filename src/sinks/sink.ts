import type { DesiredState } from '../model/desired-state.ts'

/** What one pass did. */
export interface PassReport {
  /** Changes that the kernel took, by kind. */
  readonly applied: Readonly<Record<string, number>>
  readonly failed: readonly ObjectFailure[]
  /** Differences that nobody asked for and that were repaired. */
  readonly driftRepaired: number
  /** Objects that are there, are not ours and were left alone. */
  readonly foreign: number
  /** Drains still running after the pass. */
  readonly draining: number
  /** What is under way and done by the pass at `wakeAt`, besides drains. Absent: nothing. */
  readonly pending?: number
  /** Milliseconds since the epoch at which the sink wants to be called again although nothing changed; undefined: never. */
  readonly wakeAt?: number
  /** What it needs to read then: `full` where something that failed is tried again, for the table may be otherwise than believed. */
  readonly wakeScope?: 'changes' | 'full'
  /** It was asked to give way while it was still reading, and did: nothing was written, and what was to be done is still to be done. */
  readonly gaveWay?: true
  /** Where one sink stands for several: what each of them did. */
  readonly parts?: readonly PartOutcome[]
}

/** What one of several sinks did in a pass; `ok: false`: nothing at all could be done, for so many objects; `late`: it is still at it. */
export type PartOutcome = { readonly sink: string; readonly seconds: number } & (
  | { readonly ok: true; readonly report: PassReport }
  | { readonly ok: false; readonly code: string; readonly failing: number; readonly late?: true }
)

/** One object that could not be programmed; the others went on. */
export interface ObjectFailure {
  /** Service key, or service key and destination key. */
  readonly object: string
  readonly code: string
  readonly message: string
  /** Milliseconds since the epoch of the next try. */
  readonly retryAt: number
}

/**
 * Something that can be brought into a desired state. Passes never overlap: whoever calls waits for the promise.
 * A pass rejects only where nothing at all could be done (kernel missing, no permission, stuck); what fails for one
 * object is in the report.
 */
export interface Sink extends AsyncDisposable {
  readonly name: string
  /**
   * `changes`: only what differs from the last desired state; `full`: read everything, repair and count drift. Once `signal` aborts, a full pass
   * that is still reading may end without having done anything.
   */
  reconcile(
    desired: DesiredState,
    scope: 'changes' | 'full',
    now: number,
    options?: { readonly signal?: AbortSignal },
  ): Promise<PassReport>
  /** Resolves once nothing is being written that goes on beside the passes; between two of them. Absent: nothing ever is. Never rejects. */
  settled?(): Promise<void>
}
