import { asyncScheduler, type SchedulerLike, Subscription } from 'rxjs'

/** Looked up once: each look costs more than the clock itself. */
const ORIGIN = performance.timeOrigin

/**
 * Timers and a clock in milliseconds since the epoch that follows the monotonic clock from the start of the process on:
 * a step of the wall clock can neither delay a removal by an hour nor let it pass early.
 */
export const steadyScheduler: SchedulerLike = {
  now: () => ORIGIN + performance.now(),
  schedule: asyncScheduler.schedule.bind(asyncScheduler) as SchedulerLike['schedule'],
}

/** Milliseconds that a timer takes at the most (2^31 - 1); one that is asked for more goes off at once. */
const LONGEST_TIMER = 2_147_483_647

/** Does it once when so many milliseconds have passed, however many; below 0 is 0. */
export function scheduleAfter(scheduler: SchedulerLike, wait: number, work: () => void): Subscription {
  if (wait <= LONGEST_TIMER) return scheduler.schedule(work, Math.max(0, wait))
  const timers = new Subscription()
  timers.add(scheduler.schedule(() => timers.add(scheduleAfter(scheduler, wait - LONGEST_TIMER, work)), LONGEST_TIMER))
  return timers
}

/** Milliseconds by which the wall clock is ahead of the steady one: how far it was stepped or slewed since the start of the process. */
export function wallAhead(): number {
  return Date.now() - steadyScheduler.now()
}

/**
 * What the wall clock shows now for a moment of the steady one (ISO 8601): as long ago, or as far ahead, as it is. To the second, so that the
 * same moment is not shown otherwise each time while the clock is slewed.
 */
export function wallTime(steady: number): string {
  return new Date(steady + Math.round(wallAhead() / 1_000) * 1_000).toISOString()
}
