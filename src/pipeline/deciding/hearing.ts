import type { AdminState } from '../../model/admin-state.ts'
import type { DestinationKey } from '../../model/destination.ts'
import type { Operational } from '../../model/operational.ts'
import type { DebounceSpec } from '../../model/service-spec.ts'
import { shortest } from '../debounce.ts'

/** What is known of the members of one service besides what its sources say. */
export interface Heard {
  /** By our probes. */
  readonly found: ReadonlyMap<DestinationKey, Operational>
  /** By the operator. */
  readonly words: ReadonlyMap<DestinationKey, AdminState>
}

const NOTHING_HEARD: Heard = { found: new Map(), words: new Map() }

/** Findings and words on their way through the debounce step. Members have one of their own: neither waits for the other. */
export interface Hearing {
  /** What has gone on. */
  readonly passed: Heard
  /** What is known. */
  readonly told: Heard
  readonly passedAt: number
  readonly changedAt: number
  /** Since when the oldest difference waits; absent: nothing does. */
  readonly waitingSince?: number
}

export const NO_HEARING: Hearing = {
  passed: NOTHING_HEARD,
  told: NOTHING_HEARD,
  passedAt: Number.NEGATIVE_INFINITY,
  changedAt: Number.NEGATIVE_INFINITY,
}

/** Takes up what is known now. It passes at once when nothing has passed for `min`, else when it has been quiet for `min`, and at `max`. */
export function hear(state: Hearing, told: Heard, spec: DebounceSpec, now: number): Hearing {
  if (told === state.told) return state
  const next = { ...state, told, changedAt: now, waitingSince: state.waitingSince ?? now }
  return now - state.passedAt >= shortest(spec) ? passed(next, now) : passWhatIsHeard(next, spec, now)
}

/** Lets pass what has waited long enough. */
export function passWhatIsHeard(state: Hearing, spec: DebounceSpec, now: number): Hearing {
  const due = hearingDueAt(state, spec)
  return due !== undefined && now >= due ? passed(state, now) : state
}

/** When something is to pass at the latest; undefined while nothing waits. */
export function hearingDueAt({ waitingSince, changedAt }: Hearing, spec: DebounceSpec): number | undefined {
  return waitingSince === undefined ? undefined : Math.min(changedAt + shortest(spec), waitingSince + spec.max)
}

function passed({ waitingSince: _, ...state }: Hearing, now: number): Hearing {
  return { ...state, passed: state.told, passedAt: now }
}
