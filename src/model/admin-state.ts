import type { DestinationKey } from './destination.ts'
import type { ServiceKey } from './virtual-service.ts'

/** What the operator said of one backend of one service. Never mixed with what sources or probes say. */
export interface AdminState {
  /** `drain`: no new connections, it leaves when its connections have ended; `maintenance`: out at once, and nobody probes it. */
  readonly state: 'ready' | 'drain' | 'maintenance'
  readonly weight?: WeightOverride
  /** Of the state, as the two below. */
  readonly reason?: string
  /** Milliseconds since the epoch at which it was said. */
  readonly at: number
  /** Milliseconds since the epoch after which the state is `ready` again; absent: until it is taken back. */
  readonly until?: number
}

/** A weight in place of every other one; with `ramp` reached in equal steps. It is said, and ends, apart from the state. */
export interface WeightOverride {
  /** 0–65535. */
  readonly weight: number
  readonly reason?: string
  /** Milliseconds since the epoch at which it was said. */
  readonly at: number
  /** Milliseconds since the epoch after which it counts no longer; absent: until it is taken back. */
  readonly until?: number
  readonly ramp?: {
    /** 0–65535: where it began. */
    readonly from: number
    /** Milliseconds since the epoch. */
    readonly startedAt: number
    /** Milliseconds from the first weight to the last one. */
    readonly duration: number
    /** How many changes, 1–1000. */
    readonly steps: number
  }
}

/** The operator's word of every backend that he spoke of. */
export type OperatorWords = ReadonlyMap<ServiceKey, ReadonlyMap<DestinationKey, AdminState>>
