import { SLOW_START_SCALE, SLOW_START_SCHEDULERS } from '../../model/policy-spec.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'

/** Ten weights, a tenth more each: so many writes at most, and nine times between them. */
const STEPS = 9

/** Milliseconds that a member of the service takes to its whole weight; undefined: it has it at once. */
export function slowStartOf({ policy, scheduler }: Pick<ServiceSpec, 'policy' | 'scheduler'>): number | undefined {
  return SLOW_START_SCHEDULERS.includes(scheduler) ? policy.slowStart : undefined
}

/** What all weights of the service are multiplied by. */
export function weightScale(spec: Pick<ServiceSpec, 'policy' | 'scheduler'>): number {
  return slowStartOf(spec) === undefined ? 1 : SLOW_START_SCALE
}

/** Percent of its weight that a member has which began at `since`: 10, 20 and so on up to 100. */
export function shareAt(since: number, duration: number, now: number): number {
  const steps = Math.floor(((now - since) * STEPS) / duration + 1e-9)
  return Math.max(10, Math.min(100, 10 * (steps + 1)))
}

/** When its share rises next; infinite when it has all. */
export function nextShareAt(since: number, duration: number, now: number): number {
  const share = shareAt(since, duration, now)
  return share >= 100 ? Number.POSITIVE_INFINITY : since + (share / 10) * (duration / STEPS)
}
