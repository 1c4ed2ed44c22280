import type { DestinationKey } from '../../model/destination.ts'
import type { CheckSpec } from '../../model/probe-spec.ts'

/** A member that may serve and that fails, or asks not to serve, as the guard against correlated failures sees it. */
export interface Exposed {
  readonly key: DestinationKey
  /** It is down and cannot be connected to; is down by a failure above that; has begun to fail so and is not down yet; or asks to be let go. */
  readonly how: 'unreachable' | 'failing' | 'wavering' | 'leaving'
  /** Milliseconds since the epoch at which it went down, or asked. */
  readonly since: number
  /** It was up before, or served when it asked: there is something to hold. */
  readonly wasUp: boolean
  /** It counts as up still: nothing was believed of its failure. */
  readonly isUp: boolean
  /** Of one that fails: others have not been asked since that began. */
  readonly siblingsDue: boolean
}

/** What the guard holds in one pool, and what the operator has approved of. */
export interface Ejections {
  /** Members that fail above connect, or ask to be let go, and serve all the same. */
  readonly held: ReadonlySet<DestinationKey>
  /** Members that are believed until they pass again, or ask no longer. */
  readonly believed: ReadonlySet<DestinationKey>
  /** Members that fail above connect and serve until it is known whether others do so too, and when that is waited for no longer. */
  readonly doubted: ReadonlyMap<DestinationKey, number>
  /** Milliseconds since the epoch since when those that are held are few; absent: they are many, or nobody is held. */
  readonly fewSince?: number
}

export const NO_EJECTIONS: Ejections = { held: new Set(), believed: new Set(), doubted: new Map() }

/**
 * `pool` counts all that may serve, and those that ask not to. Holds failures above connect, and such wishes, that hit more than `maxEjection` percent of a pool within one round of its checks: a page that
 * was renamed looks like that, a certificate that ran out everywhere, or an agent that was rolled out with a fault. A failure to connect is always believed, and the pool
 * is measured without such members, and without those that have left by their wish. What is held is let go when it cannot be connected to, by approval, and when fewer fail: the
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
  const down = failing.filter(({ how }) => how !== 'wavering')
  if (down.length === 0) return NO_EJECTIONS
  const believed = new Set(down.filter(({ key }) => before.believed.has(key)).map(({ key }) => key))
  const suspects = down.filter((one) => one.wasUp && one.how !== 'unreachable' && !believed.has(one.key))
  const batch = oneBatch(before, suspects, roundOf(checks))
  const together = new Set(batch)
  const hasGone = (one: Exposed) => one.how === 'unreachable' || (one.how === 'leaving' && !together.has(one))
  const reachable = pool - down.filter(hasGone).length
  const isMany = (count: number) => count >= 2 && count * 100 > maxEjection * reachable
  const isHeld = isMany(batch.length)
  const still = isHeld ? batch : batch.filter(({ key }) => before.held.has(key))
  const fewSince = isHeld || still.length === 0 ? undefined : (before.fewSince ?? now)
  const isOver = fewSince !== undefined && now >= fewSince + recoveryOf(checks)
  const held = new Set(isOver ? [] : still.map(({ key }) => key))
  const wavering = failing.filter(({ how, isUp }) => how === 'wavering' && isUp).length
  const mayFollow = ({ siblingsDue }: Exposed) => wavering + (siblingsDue ? pool - failing.length : 0)
  const doubted = suspects
    .filter((one) => one.how === 'failing' && one.isUp && !held.has(one.key) && isMany(batch.length + mayFollow(one)))
    .map(({ key, since }) => [key, since + fallOf(checks)] as const)
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

/** Whether a member serves although it is down, or asks not to. */
export function isUnbelieved({ held, doubted }: Ejections, key: DestinationKey): boolean {
  return held.has(key) || doubted.has(key)
}

/** Whether the operator has anything to approve of. */
export function hasUnbelieved({ held, doubted }: Ejections): boolean {
  return held.size > 0 || doubted.size > 0
}

/** Who failed together: since the first of those that are held or doubted, else within one round of the last one. */
function oneBatch({ held, doubted }: Ejections, suspects: readonly Exposed[], round: number): readonly Exposed[] {
  const still = suspects.filter(({ key }) => held.has(key) || doubted.has(key)).map(({ since }) => since)
  const from = still.length > 0 ? Math.min(...still) : Math.max(...suspects.map(({ since }) => since)) - round
  return suspects.filter(({ since }) => since >= from)
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
