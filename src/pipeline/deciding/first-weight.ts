import type { CheckSpec } from '../../model/probe-spec.ts'

/**
 * What a member gets before the first result of its probes. Where it is less than the whole, `since` is the time from which a
 * result is waited for, in milliseconds since the epoch.
 */
export type FirstWeight =
  /** As the kernel held it when the service was taken up. */
  | { readonly kind: 'kernel'; readonly weight: number; readonly since: number }
  /** All of its weight: nobody is known to do better, or its probes find nothing out. */
  | { readonly kind: 'full' }
  /** Nothing before its first success. */
  | { readonly kind: 'wait'; readonly for: 'others' | 'proof'; readonly since: number }

export interface FirstCircumstances {
  /** What the kernel held of the member when the service was taken up; absent: nothing. */
  readonly kernelWeight: number | undefined
  /** Some member of the pool is up. */
  readonly othersUp: boolean
  /**
   * It comes from an answer of an earlier process: one that is too old to be believed without a success, ever, or one in whose place the
   * kernel holds nothing of the service. Absent: neither.
   */
  readonly doubt: 'lasting' | 'passing' | undefined
  /** Milliseconds for which a result is waited for: see `patienceOf`. */
  readonly patience: number
  readonly now: number
}

const FULL: FirstWeight = { kind: 'full' }

/**
 * The first weight of a member of which the probes know nothing; `before` is what it was given earlier. Who waits in vain
 * gets the whole weight: probes that cannot be made must not keep a pool from its new members.
 */
export function firstWeight(before: FirstWeight | undefined, circumstances: FirstCircumstances): FirstWeight {
  const { kernelWeight, othersUp, doubt, patience, now } = circumstances
  if (before?.kind === 'full') return before
  if (before !== undefined && before.since + patience <= now) {
    if (before.kind === 'kernel' && before.weight > 0) return before
    if (doubt !== 'lasting') return FULL
    return before.kind === 'wait' ? before : { kind: 'wait', for: 'proof', since: before.since }
  }
  if (before?.kind === 'kernel') return before
  if (kernelWeight !== undefined) return { kind: 'kernel', weight: kernelWeight, since: now }
  if (!othersUp && doubt === undefined) return FULL
  const reason = othersUp ? 'others' : 'proof'
  return before?.for === reason ? before : { kind: 'wait', for: reason, since: before?.since ?? now }
}

/** When a result is waited for no longer; infinite where none is. */
export function waitsUntil(first: FirstWeight, patience: number, now: number): number {
  return first.kind === 'full' || first.since + patience <= now ? Number.POSITIVE_INFINITY : first.since + patience
}

/** Milliseconds in which even a member that is down has been found to be: one round more than its failures take. */
export function patienceOf(checks: readonly CheckSpec[]): number {
  return Math.max(0, ...checks.map(({ interval, timeout, fall }) => (fall + 1) * (interval + timeout)))
}

/**
 * What the kernel is to hold for a member that it held with `kernelWeight` and that would have `weight` now. A number
 * outside a tenth and the whole of it was made by other rules (another scale, another weight): then its weight counts.
 */
export function continuedWeight(kernelWeight: number, weight: number): number {
  return kernelWeight >= weight / 10 && kernelWeight <= weight ? kernelWeight : weight
}
