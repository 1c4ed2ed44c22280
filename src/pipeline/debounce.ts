import type { DestinationKey } from '../model/destination.ts'
import type { DebounceSpec } from '../model/service-spec.ts'
import { type Members, NO_MEMBERS } from './hold.ts'

/** The members of one service on their way through the debounce step. */
export interface Debounced {
  /** What has gone on. */
  readonly passed: Members
  /** What is known; differs from `passed` by what waits. */
  readonly wanted: Members
  readonly passedAt: number
  readonly changedAt: number
  /** Members that left and are still passed on, with the time at which they left; oldest first. */
  readonly leaving: ReadonlyMap<DestinationKey, number>
  /** Since when the oldest addition or edit waits. */
  readonly arrivingSince: number | undefined
}

export const NOTHING_PASSED: Debounced = {
  passed: NO_MEMBERS,
  wanted: NO_MEMBERS,
  passedAt: Number.NEGATIVE_INFINITY,
  changedAt: Number.NEGATIVE_INFINITY,
  leaving: new Map(),
  arrivingSince: undefined,
}

const NEVER = Number.POSITIVE_INFINITY

/** How much longer than `min` a removal waits for its pool to become quiet, as a share of it. */
const GATHER = 0.5

/**
 * Takes up what is known now. Additions and edits pass at once when nothing has passed for `min`, or when `atOnce` says
 * so (a configuration, the first answer of a source); else they wait until the members have been quiet for `min`, or until
 * something else passes. A removal has waited `min` whenever it passes, and half of that longer at the most while others
 * come and go, for what has left may be gone soon. Nothing waits longer than `max`, and a member that comes back meanwhile
 * was never gone.
 */
export function debounce(state: Debounced, wanted: Members, spec: DebounceSpec, now: number, atOnce = false): Debounced {
  if (wanted === state.wanted) return atOnce && state.arrivingSince !== undefined ? pass(state, spec, now) : state
  const { arriving, missing } = compare(wanted, state.passed)
  const next: Debounced = {
    ...state,
    wanted,
    changedAt: now,
    leaving: missing ? stillLeaving(state, wanted, now) : NOTHING_PASSED.leaving,
    arrivingSince: arriving ? (state.arrivingSince ?? now) : undefined,
  }
  const quiet = now - state.passedAt >= shortest(spec)
  return arriving && (atOnce || quiet) ? pass(next, spec, now) : passWhatIsDue(next, spec, now)
}

/** Lets pass what has waited long enough. */
export function passWhatIsDue(state: Debounced, spec: DebounceSpec, now: number): Debounced {
  const due = dueAt(state, spec)
  return due !== undefined && now >= due ? pass(state, spec, now) : state
}

/** When something is to pass at the latest; undefined while nothing waits. */
export function dueAt(state: Debounced, spec: DebounceSpec): number | undefined {
  const [left] = state.leaving.values()
  if (left === undefined && state.arrivingSince === undefined) return undefined
  const removal = left === undefined ? NEVER : left + Math.min((1 + GATHER) * shortest(spec), spec.max)
  const arrival = state.arrivingSince === undefined ? NEVER : state.arrivingSince + spec.max
  return Math.min(state.changedAt + shortest(spec), removal, arrival)
}

/** Time of the oldest difference that waits. */
export function waitingSince(state: Debounced): number | undefined {
  const [left] = state.leaving.values()
  if (left === undefined || state.arrivingSince === undefined) return left ?? state.arrivingSince
  return Math.min(left, state.arrivingSince)
}

/** How many additions, edits and removals wait. */
export function waitingCount(state: Debounced): number {
  if (state.arrivingSince === undefined) return state.leaving.size
  let count = state.leaving.size
  for (const [key, member] of state.wanted) if (state.passed.get(key) !== member) count++
  return count
}

/** Milliseconds of quiet that are waited for. */
export function shortest(spec: DebounceSpec): number {
  return Math.min(spec.min, spec.max)
}

function pass(state: Debounced, spec: DebounceSpec, now: number): Debounced {
  const staying = new Map([...state.leaving].filter(([, since]) => since + shortest(spec) > now))
  return {
    ...state,
    passed: staying.size === 0 ? state.wanted : withLeaving(state, staying),
    passedAt: now,
    leaving: staying,
    arrivingSince: undefined,
  }
}

function withLeaving(state: Debounced, staying: ReadonlyMap<DestinationKey, number>): Members {
  const passed = new Map(state.wanted)
  for (const key of staying.keys()) {
    const member = state.passed.get(key)
    if (member !== undefined) passed.set(key, member)
  }
  return passed
}

function stillLeaving(state: Debounced, wanted: Members, now: number): ReadonlyMap<DestinationKey, number> {
  const leaving = new Map<DestinationKey, number>()
  for (const [key, since] of state.leaving) if (!wanted.has(key)) leaving.set(key, since)
  for (const key of state.passed.keys()) if (!wanted.has(key) && !leaving.has(key)) leaving.set(key, now)
  return leaving
}

/** Whether `wanted` adds to or edits what has passed, and whether it lacks some of it. */
function compare(wanted: Members, passed: Members): { readonly arriving: boolean; readonly missing: boolean } {
  let arriving = false
  let present = 0
  for (const [key, member] of wanted) {
    const old = passed.get(key)
    if (old !== undefined) present++
    if (old !== member) arriving = true
  }
  return { arriving, missing: present < passed.size }
}
