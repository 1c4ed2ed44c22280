import type { DestinationKey } from '../../model/destination.ts'
import { isFoundDown, type Operational } from '../../model/operational.ts'
import { isConnectFailure } from '../../model/probe-result.ts'
import type { CheckSpec } from '../../model/probe-spec.ts'

/** A member that may serve and whose last result was a failure, as the guard against correlated failures sees it. */
export interface Exposed {
  readonly key: DestinationKey
  readonly found: Operational
  /** It was up before: there is something to hold. */
  readonly wasUp: boolean
  /** It counts as up still: nothing was believed of its failure. */
  readonly isUp: boolean
}

/** What the guard holds in one pool, and what the operator has approved of. */
export interface Ejections {
  /** Members that fail above connect and serve all the same. */
  readonly held: ReadonlySet<DestinationKey>
  /** Members whose failure is believed until they pass again. */
  readonly believed: ReadonlySet<DestinationKey>
  /** Members that fail above connect and serve until it is known whether others do so too, and when that is waited for no longer. */
  readonly doubted: ReadonlyMap<DestinationKey, number>
  /** Milliseconds since the epoch since when those that are held are few; absent: they are many, or nobody is held. */
  readonly fewSince?: number
}

export const NO_EJECTIONS: Ejections = { held: new Set(), believed: new Set(), doubted: new Map() }

/**
 * `pool` counts all that may serve. Holds failures above connect that hit more than `maxEjection` percent of a pool within one round of its checks: a page that
 * was renamed looks like that, or a certificate that ran out everywhere. A failure to connect is always believed, and the pool
 * is measured without such members. What is held is let go when it cannot be connected to, by approval, and when fewer fail: the
 * last of these not before all had the time to recover, because they do so one after the other when the page is back. The first
 * that are down are doubted while so many others may follow: those that have begun to fail, and those that nobody asked since.
 */
export function ejections(
  before: Ejections,
  failing: readonly Exposed[],
  pool: number,
  maxEjection: number,
  checks: readonly CheckSpec[],
  now: number,
): Ejections {
  const down = failing.filter(({ found }) => isFoundDown(found))
  if (down.length === 0) return NO_EJECTIONS
  const believed = new Set(down.filter(({ key }) => before.believed.has(key)).map(({ key }) => key))
  const suspects = down.filter((one) => one.wasUp && isAboveConnect(one) && !believed.has(one.key))
  const reachable = pool - down.filter((one) => !isAboveConnect(one)).length
  const isMany = (count: number) => count >= 2 && count * 100 > maxEjection * reachable
  const batch = oneBatch(before, suspects, roundOf(checks))
  const isHeld = isMany(batch.length)
  const still = isHeld ? batch : batch.filter(({ key }) => before.held.has(key))
  const fewSince = isHeld || still.length === 0 ? undefined : (before.fewSince ?? now)
  const isOver = fewSince !== undefined && now >= fewSince + recoveryOf(checks)
  const held = new Set(isOver ? [] : still.map(({ key }) => key))
  const wavering = failing.filter((one) => one.isUp && !isFoundDown(one.found) && isAboveConnect(one)).length
  const mayFollow = ({ found }: Exposed) => wavering + (found.siblingsDue === true ? pool - failing.length : 0)
  const doubted = suspects
    .filter((one) => one.isUp && !held.has(one.key) && isMany(batch.length + mayFollow(one)))
    .map(({ key, found }) => [key, found.since + fallOf(checks)] as const)
    .filter(([, until]) => now < until)
  return sameEjections(before, {
    held,
    believed,
    doubted: new Map(doubted),
    ...(fewSince !== undefined && !isOver && { fewSince }),
  })
}

/** When those that are held although they are few are let go, or somebody is doubted no longer; infinite where nobody is. */
export function ejectionsDueAt({ fewSince, doubted }: Ejections, checks: readonly CheckSpec[]): number {
  const few = fewSince === undefined ? Number.POSITIVE_INFINITY : fewSince + recoveryOf(checks)
  return Math.min(few, ...doubted.values())
}

/** What is held or doubted is believed from now on. */
export function approveEjections({ held, believed, doubted }: Ejections): Ejections {
  return { ...NO_EJECTIONS, believed: new Set([...believed, ...held, ...doubted.keys()]) }
}

/** Whether a member is down and serves all the same. */
export function isUnbelieved({ held, doubted }: Ejections, key: DestinationKey): boolean {
  return held.has(key) || doubted.has(key)
}

/** Whether the operator has anything to approve of. */
export function hasUnbelieved({ held, doubted }: Ejections): boolean {
  return held.size > 0 || doubted.size > 0
}

function isAboveConnect({ found }: Exposed): boolean {
  return found.failure !== undefined && !isConnectFailure(found.failure)
}

/** Who failed together: since the first of those that are held or doubted, else within one round of the last one. */
function oneBatch({ held, doubted }: Ejections, suspects: readonly Exposed[], round: number): readonly Exposed[] {
  const since = ({ found }: Exposed) => found.since
  const still = suspects.filter(({ key }) => held.has(key) || doubted.has(key))
  const from = still.length > 0 ? Math.min(...still.map(since)) : Math.max(...suspects.map(since)) - round
  return suspects.filter((one) => since(one) >= from)
}

/** Milliseconds in which every member is asked once and has answered. */
function roundOf(checks: readonly CheckSpec[]): number {
  return Math.max(0, ...checks.map(({ interval, timeout }) => interval + timeout))
}

/** Milliseconds in which every member that fails has been found to be down. */
function fallOf(checks: readonly CheckSpec[]): number {
  return Math.max(0, ...checks.map(({ interval, timeout, fall }) => fall * (interval + timeout)))
}

/** Milliseconds in which every member that answers rightly again has been found to be up. */
function recoveryOf(checks: readonly CheckSpec[]): number {
  return Math.max(
    0,
    ...checks.map(({ interval, downInterval = interval, timeout, rise }) => rise * (Math.max(interval, downInterval) + timeout)),
  )
}

function sameEjections(before: Ejections, after: Ejections): Ejections {
  const same = (['held', 'believed', 'doubted'] as const).every((which) => sameKeys(after[which], before[which]))
  return same && after.fewSince === before.fewSince ? before : after
}

type Keys = Pick<ReadonlySet<DestinationKey>, 'size' | 'has' | 'keys'>

function sameKeys(a: Keys, b: Keys): boolean {
  return a.size === b.size && [...a.keys()].every((key) => b.has(key))
}
