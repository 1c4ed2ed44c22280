import type { DestinationKey } from './destination.ts'
import type { ServiceKey } from './virtual-service.ts'

/**
 * What turned. `health`: what probes find. `operator`: his word. `serving`: whether a backend gets new connections. `pool`: who
 * answers for a service. `quorum`: whether enough serve. `ejection`: failures that hit too many at once. `guard`: removals that are
 * held. `source`: whether it answers. `kernel`: what was written there.
 */
export const STATE_EVENT_KINDS = [
  'health',
  'operator',
  'serving',
  'pool',
  'quorum',
  'ejection',
  'guard',
  'source',
  'kernel',
] as const

export type StateEventKind = (typeof STATE_EVENT_KINDS)[number]

/** Something went from one state to another. */
export interface StateEvent {
  readonly kind: StateEventKind
  /** Name of the service. */
  readonly service: string
  readonly vip: ServiceKey
  /** Absent: it is about the service as a whole. */
  readonly backend?: DestinationKey
  /** Of a source. */
  readonly source?: string
  readonly from: string
  readonly to: string
  readonly cause: string
  /** Why, the last word first. */
  readonly reasons: readonly string[]
  /** Whether somebody should look at it. */
  readonly grave?: true
}
