/** What is told to the metrics. */

import type { EventLoopLateness } from './event-loop-delay.ts'

/** What a pass did, in the words that the metrics need; a sink's own report has the same fields. */
export interface PassOutcome {
  readonly applied: Readonly<Record<string, number>>
  readonly failed: readonly { readonly code: string }[]
  readonly driftRepaired: number
  readonly foreign: number
  readonly draining: number
}

/** How a source of one service stands. */
export interface SourceFacts {
  /** Name of the service. */
  readonly name: string
  readonly source: string
  readonly state: 'pending' | 'up' | 'stale'
  /** Backends in the last good answer. */
  readonly records: number
  /** Entries of that answer that could not be used. */
  readonly quarantined: number
  /** Answers that told something new since the source was opened. */
  readonly updates: number
  /** Backends that it no longer names and that the guard keeps. */
  readonly heldRemovals: number
  /** That answer may lack members, so that it removed none. */
  readonly partial?: true
  /** When the last good answer was had. */
  readonly answeredAt?: number
}

/** How the virtual addresses stand; the last three count since the process began. */
export interface AddressFacts {
  readonly held: number
  readonly conflicts: number
  readonly conflictsSeen: number
  readonly repairs: number
  readonly announcements: number
}

export const CLAIM_STATES = ['serving', 'held', 'yielding'] as const

/** How a service of a registry stood and stands. */
export interface ClaimFacts {
  readonly catalog: string
  readonly service: string
  readonly before: (typeof CLAIM_STATES)[number] | undefined
  readonly after: (typeof CLAIM_STATES)[number] | undefined
  readonly refused: boolean
}

/** Milliseconds since the epoch: time stamps come from the wall clock, ages from one that never jumps. */
export interface Clocks {
  readonly wall: () => number
  readonly steady: () => number
}

/** What is asked for each answer. */
export interface AskedEachTime {
  eventLoop(): EventLoopLateness | undefined
  /** Drains beyond their deadline, by sink. */
  overdueDrains(): Readonly<Record<string, number>>
}

/** Which build runs. */
export interface BuildInfo {
  readonly version: string
  readonly commit: string | undefined
  readonly node: string
}
