import { type CheckStanding, together } from '../health/check-standing.ts'
import type { DestinationKey } from '../model/destination.ts'
import { type Operational, sameOperational } from '../model/operational.ts'
import { isConnectFailure, type ProbeResult } from '../model/probe-result.ts'
import type { CheckSpec } from '../model/probe-spec.ts'

/** When a check had its last turn. Milliseconds since the epoch. */
export interface Turn {
  /** When the probe of its last result began; minus infinity before the first. */
  readonly at: number
  /** Of the first of its failures above connect in a row; absent: its last result was no such failure. */
  readonly failingSince?: number
}

export const NO_TURN: Turn = { at: Number.NEGATIVE_INFINITY }

/** A check that runs, as far as the pool is concerned. */
export interface PoolCheck {
  readonly key: string
  readonly spec: CheckSpec
  readonly standing: CheckStanding
  readonly turn: Turn
}

export interface PoolMember {
  readonly destination: DestinationKey
  readonly checks: readonly PoolCheck[]
}

type Found = ReadonlyMap<DestinationKey, Operational>

/** After one more result; `took`: milliseconds. */
export function nextTurn(before: Turn, result: ProbeResult, took: number, now: number): Turn {
  const at = now - took
  if (result.outcome === 'unknown') return { ...before, at }
  const isSuspect = result.outcome === 'failed' && !isConnectFailure(result.failure)
  return isSuspect ? { at, failingSince: before.failingSince ?? now } : { at }
}

/** What is known of the members of a pool; the same map as `told` where that is nothing new. `siblingsDue`: of one of them at least. */
export function foundIn(pool: readonly PoolMember[], told: Found): { readonly found: Found; readonly siblingsDue: boolean } {
  const found = new Map<DestinationKey, Operational>()
  const askedLast = lastTurnOf(pool)
  let changed = pool.length !== told.size
  let siblingsDue = false
  for (const { destination, checks } of pool) {
    const before = told.get(destination)
    const operational = operationalOf(checks, before, askedLast)
    const after = before !== undefined && sameOperational(before, operational) ? before : operational
    found.set(destination, after)
    changed ||= after !== before
    siblingsDue ||= after.siblingsDue === true
  }
  return { found: changed ? found : told, siblingsDue }
}

/** Keys of the checks that tell whether others fail alike, and that had no turn since. Programs have their turn when it comes: hundreds at once are no small thing. */
export function askedBefore(pool: readonly PoolMember[], since: number): string[] {
  const due = ({ turn, spec }: PoolCheck) => turn.at < since && spec.probe.kind !== 'exec'
  return pool.filter(mayFollow).flatMap(({ checks }) => checks.filter(due).map(({ key }) => key))
}

function operationalOf(checks: readonly PoolCheck[], before: Operational | undefined, askedLast: number): Operational {
  const operational = together(checks.map(({ spec, standing }) => ({ kind: spec.probe.kind, standing })))
  const since = Math.min(...checks.map(({ turn }) => turn.failingSince ?? Number.POSITIVE_INFINITY))
  // Once they were all asked that is enough: who comes later says nothing about it. For a failure to connect nobody was asked.
  const { failure, siblingsDue } = before ?? {}
  const isKnown = failure !== undefined && !isConnectFailure(failure) && siblingsDue === undefined
  return askedLast < since && since < Number.POSITIVE_INFINITY && !isKnown ? { ...operational, siblingsDue: true } : operational
}

/** The turn of the one who was asked longest ago, of those who may yet fail; infinite where there are none. */
function lastTurnOf(pool: readonly PoolMember[]): number {
  let last = Number.POSITIVE_INFINITY
  for (const member of pool) if (mayFollow(member)) for (const { turn } of member.checks) last = Math.min(last, turn.at)
  return last
}

function mayFollow({ checks }: PoolMember): boolean {
  return checks.every(({ standing, turn }) => standing.health !== 'down' && turn.failingSince === undefined)
}
