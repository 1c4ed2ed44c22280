import type { IpAddress, Port } from './address.ts'
import type { Scheduler } from './virtual-service.ts'

/** How the states of a pool's members become weights, every default filled in. */
export interface PolicySpec {
  /**
   * What becomes of a member that fails its probes: weight 0, so that its connections live on, or removal. `fitting` is
   * weight 0 where that takes no client from others: see deciding.md.
   */
  readonly onDown: 'fitting' | 'zero' | 'remove'
  /** Percent of the pool below which members that are not up serve all the same, 0–100; 0: when nobody is up. */
  readonly panic: 'off' | { readonly percent: number }
  /** Serves while nobody else does, in place of panic. */
  readonly sorryServer?: { readonly address: IpAddress; readonly port: Port }
  readonly quorum?: QuorumSpec
  /** Milliseconds from a tenth of its weight to all of it, for a member that begins to serve. */
  readonly slowStart?: number
  /** A member that falls too often stays out; `halfLife` in milliseconds is the time in which half of that is forgiven. */
  readonly damping: 'off' | { readonly halfLife: number }
  /** Percent of the pool that may be lost in one interval to failures above connect, 1–100; 100 believes every one. */
  readonly maxEjection: number
  /** Milliseconds for which a member that is up serves on at least, when its removal is held by the guard; absent: the guard's window. */
  readonly absentGrace?: number
}

/** How many members make a pool that is worth its address. */
export interface QuorumSpec {
  /** Members, the sum of their weights, or percent of the pool. */
  readonly by: 'count' | 'weight' | 'percent'
  readonly min: number
  /** Lost below `min - hysteresis`, had again at `min + hysteresis`. */
  readonly hysteresis: number
}

export const DEFAULT_POLICY: PolicySpec = {
  onDown: 'fitting',
  panic: { percent: 0 },
  damping: { halfLife: 60_000 },
  maxEjection: 50,
}

/** The schedulers that give more connections to a higher weight, and whose choice a change of weights does not reshuffle. */
export const SLOW_START_SCHEDULERS: readonly Scheduler[] = ['wrr', 'wlc', 'sed', 'nq']

/** What the weights of a service with slow start are multiplied by at all times, so that a tenth of 1 is a weight. */
export const SLOW_START_SCALE = 100

/** What the kernel takes at most, here and in the scheduler's arithmetic. */
export const MAXIMUM_WEIGHT = 65_535
