import { map, Observable, type SchedulerLike } from 'rxjs'
import type { StepResult, Wake } from '../pipeline/step.ts'
import { runStep } from '../pipeline/wire.ts'
import { steadyScheduler } from '../steady-scheduler.ts'

/** Milliseconds without a further disturbance after which something is done about those that were. */
const QUIET = 100
/** Milliseconds after the first disturbance at which something is done about it at the latest. */
const LONGEST = 500
/** Full passes that disturbances may ask for in a row. */
const CREDIT = 10
/** Milliseconds in which one more may be asked for. */
const REFILL = 5_000

type Disturbance = { readonly kind: 'disturbed' }

export interface DisturbanceState {
  /** Milliseconds since the epoch of the first and the last disturbance about which nothing was done. */
  readonly first: number | undefined
  readonly last: number
  /** Full passes that could be asked for at `at`; with fractions. */
  readonly credit: number
  readonly at: number
}

export const UNDISTURBED: DisturbanceState = { first: undefined, last: 0, credit: CREDIT, at: Number.NEGATIVE_INFINITY }

/**
 * When a full pass is due because others changed what is ours: once per gust of changes, soon after it, and rarely where gust follows
 * gust, so that somebody who takes away again and again what we put back does not keep us busy with nothing else.
 */
export function disturbanceStep(
  state: DisturbanceState,
  event: Disturbance | Wake,
  now: number,
): StepResult<DisturbanceState, 'full pass'> {
  const credit = Math.min(CREDIT, state.credit + (now - state.at) / REFILL)
  const first = event.kind === 'disturbed' ? (state.first ?? now) : state.first
  const last = event.kind === 'disturbed' ? now : state.last
  if (first === undefined) return { state: { first, last, credit, at: now } }
  const due = Math.max(Math.min(last + QUIET, first + LONGEST), now + (1 - credit) * REFILL)
  if (now < due) return { state: { first, last, credit, at: now }, wakeAt: Math.ceil(due) }
  return { state: { first: undefined, last, credit: credit - 1, at: now }, emit: 'full pass' }
}

/** Each value asks for a full pass. `onDisturbed` is given a listener and gives the end of it. */
export function disturbedResync(
  onDisturbed: (listener: () => void) => () => void,
  scheduler: SchedulerLike = steadyScheduler,
): Observable<void> {
  return new Observable<Disturbance>((subscriber) => onDisturbed(() => subscriber.next({ kind: 'disturbed' }))).pipe(
    runStep(disturbanceStep, UNDISTURBED, scheduler),
    map(() => undefined),
  )
}
