import type { DestinationKey } from '../../model/destination.ts'
import type { Operational } from '../../model/operational.ts'
import { isConnectFailure } from '../../model/probe-result.ts'
import type { CheckSpec } from '../../model/probe-spec.ts'

/** A member that would serve if it were not down, as the guard against correlated failures sees it. */
export interface Exposed {
  readonly key: DestinationKey
  readonly found: Operational
  /** It was up before: there is something to hold. */
  readonly wasUp: boolean
}

/** What the guard holds in one pool, and what the operator has approved of. */
export interface Ejections {
  /** Members that fail above connect and serve all the same. */
  readonly held: ReadonlySet<DestinationKey>
  /** Members whose failure is believed until they pass again. */
  readonly believed: ReadonlySet<DestinationKey>
  /** Milliseconds since the epoch since when those that are held are few; absent: they are many, or nobody is held. */
  readonly fewSince?: number
}

export const NO_EJECTIONS: Ejections = { held: new Set(), believed: new Set() }

/**
 * `pool` counts all that may serve. Holds failures above connect that hit more than `maxEjection` percent of a pool within one round of its checks: a page that
 * was renamed looks like that, or a certificate that ran out everywhere. A failure to connect is always believed, and the pool
 * is measured without such members. What is held is let go when it cannot be connected to, by approval, and when fewer fail: the
 * last of these not before all had the time to recover, because they do so one after the other when the page is back.
 */
export function ejections(
  before: Ejections,
  failing: readonly Exposed[],
  pool: number,
  maxEjection: number,
  checks: readonly CheckSpec[],
  now: number,
): Ejections {
  if (failing.length === 0) return NO_EJECTIONS
  const believed = new Set(failing.filter(({ key }) => before.believed.has(key)).map(({ key }) => key))
  const suspects = failing.filter((one) => one.wasUp && isAboveConnect(one) && !believed.has(one.key))
  const reachable = pool - failing.filter((one) => !isAboveConnect(one)).length
  const batch = oneBatch(before.held, suspects, roundOf(checks))
  const isMany = batch.length >= 2 && batch.length * 100 > maxEjection * reachable
  const still = isMany ? batch : batch.filter(({ key }) => before.held.has(key))
  const fewSince = isMany || still.length === 0 ? undefined : (before.fewSince ?? now)
  const isOver = fewSince !== undefined && now >= fewSince + recoveryOf(checks)
  if (still.length === 0 || isOver) return sameEjections(before, { held: new Set(), believed })
  const held = new Set(still.map(({ key }) => key))
  return sameEjections(before, { held, believed, ...(fewSince !== undefined && { fewSince }) })
}

/** When those that are held although they are few are let go; infinite where there are none. */
export function ejectionsDueAt({ fewSince }: Ejections, checks: readonly CheckSpec[]): number {
  return fewSince === undefined ? Number.POSITIVE_INFINITY : fewSince + recoveryOf(checks)
}

/** What is held is believed from now on. */
export function approveEjections({ held, believed }: Ejections): Ejections {
  return { held: new Set(), believed: new Set([...believed, ...held]) }
}

function isAboveConnect({ found }: Exposed): boolean {
  return found.failure !== undefined && !isConnectFailure(found.failure)
}

/** Who failed together: since the first of those that are held, else within one round of the last one. */
function oneBatch(held: Ejections['held'], suspects: readonly Exposed[], round: number): readonly Exposed[] {
  const since = ({ found }: Exposed) => found.since
  const still = suspects.filter(({ key }) => held.has(key))
  const from = still.length > 0 ? Math.min(...still.map(since)) : Math.max(...suspects.map(since)) - round
  return suspects.filter((one) => since(one) >= from)
}

/** Milliseconds in which every member is asked once and has answered. */
function roundOf(checks: readonly CheckSpec[]): number {
  return Math.max(0, ...checks.map(({ interval, timeout }) => interval + timeout))
}

/** Milliseconds in which every member that answers rightly again has been found to be up. */
function recoveryOf(checks: readonly CheckSpec[]): number {
  return Math.max(
    0,
    ...checks.map(({ interval, downInterval = interval, timeout, rise }) => rise * (Math.max(interval, downInterval) + timeout)),
  )
}

function sameEjections(before: Ejections, after: Ejections): Ejections {
  const same = sameSet(after.held, before.held) && sameSet(after.believed, before.believed)
  return same && after.fewSince === before.fewSince ? before : after
}

function sameSet(a: ReadonlySet<DestinationKey>, b: ReadonlySet<DestinationKey>): boolean {
  return a.size === b.size && [...a].every((key) => b.has(key))
}
