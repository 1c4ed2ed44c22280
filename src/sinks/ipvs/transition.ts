import type { ChangeCause } from '../../model/change.ts'
import type { DestinationKey } from '../../model/destination.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'

/** One object went from one state to another, in the kernel or in whose it is. One log line each. */
export interface Transition {
  readonly service: ServiceKey
  /** The service's name in the configuration, or the one that it last had there. */
  readonly name: string
  /** Absent when it is the service itself. */
  readonly destination?: DestinationKey
  /** `absent`, `foreign`, `present`, `weight 5`, `draining`; after an edit of other attributes these too: `weight 5, direct`. */
  readonly from: string
  readonly to: string
  readonly cause: ChangeCause
  /** Why, the last word first. */
  readonly reasons: readonly string[]
  /** A drain ended by itself: `idle` because nobody used it any more, or at its `deadline` with this many active connections. */
  readonly drained?: { readonly how: 'idle' | 'deadline'; readonly connections: number }
}

/** The part of a logger that the sink needs; pino has this form. */
export interface SinkLog {
  info(detail: object, message: string): void
  warn(detail: object, message: string): void
  error(detail: object, message: string): void
}
