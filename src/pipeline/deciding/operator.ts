import type { AdminState, WeightOverride } from '../../model/admin-state.ts'

/** What of the operator's word counts at one moment. */
export interface WordInForce {
  readonly state: AdminState['state']
  readonly reason?: string
  readonly weight?: { readonly value: number; readonly reason?: string }
  /** Milliseconds since the epoch of the next moment at which time changes it; infinite: none. */
  readonly changesAt: number
}

const NEVER = Number.POSITIVE_INFINITY

/** The word at a moment: what has run out counts no longer, and a ramp stands at its step. */
export function wordInForce(word: AdminState, now: number): WordInForce {
  const stateEnds = word.state === 'ready' ? NEVER : (word.until ?? NEVER)
  const stateCounts = now < stateEnds
  const weightEnds = word.weight?.until ?? NEVER
  const weight = now < weightEnds ? word.weight : undefined
  return {
    state: stateCounts ? word.state : 'ready',
    ...(stateCounts && word.reason !== undefined && { reason: word.reason }),
    ...(weight !== undefined && {
      weight: { value: weightAt(weight, now), ...(weight.reason !== undefined && { reason: weight.reason }) },
    }),
    changesAt: Math.min(
      stateCounts ? stateEnds : NEVER,
      weight === undefined ? NEVER : Math.min(weightEnds, stepAfter(weight, now)),
    ),
  }
}

/** The weight of an override at a moment, rounded to a whole one. */
function weightAt({ weight, ramp }: WeightOverride, now: number): number {
  if (ramp === undefined) return weight
  const done = stepsDone(ramp, now)
  return done >= ramp.steps ? weight : Math.round(ramp.from + ((weight - ramp.from) * done) / ramp.steps)
}

/** When the next step of its ramp is due; infinite after the last one. */
function stepAfter({ ramp }: WeightOverride, now: number): number {
  if (ramp === undefined) return NEVER
  const done = stepsDone(ramp, now)
  return done >= ramp.steps ? NEVER : ramp.startedAt + ((done + 1) * ramp.duration) / ramp.steps
}

/** The first step is due when one part of the time has passed, the last one at its end. */
function stepsDone({ startedAt, duration, steps }: NonNullable<WeightOverride['ramp']>, now: number): number {
  if (duration <= 0) return steps
  const part = duration / steps
  // Asked for at the very moment of a step, the division may fall short of it by its rounding.
  return Math.max(0, Math.min(steps, Math.floor((now - startedAt) / part + 1e-9)))
}
