/** The timer that a step asked for has run out. */
export type Wake = { readonly kind: 'wake' }

export const WAKE: Wake = { kind: 'wake' }

/** What a step answers to one event. */
export interface StepResult<State, Output> {
  readonly state: State
  /** Absent: there is nothing to say. */
  readonly emit?: Output
  /** Milliseconds on the clock of `now` at which the step wants a `wake`; it replaces the one asked for before, absent cancels it. */
  readonly wakeAt?: number
}

/** A decision over time: the same state, event and now always give the same result. `now` never runs backwards. */
export type Step<State, Event, Output> = (state: State, event: Event | Wake, now: number) => StepResult<State, Output>
