import type { DestinationKey } from '../../model/destination.ts'
import type { Operational } from '../../model/operational.ts'
import type { PolicySpec } from '../../model/policy-spec.ts'
import type { Health } from '../../model/probe-result.ts'

/** What a member's falls from up to down have added up to (RFC 2439). */
export interface Flaps {
  /** As it was heard last. */
  readonly health: Health
  /** At `at`; half of it is forgiven in each half-life. */
  readonly penalty: number
  readonly at: number
  /** Milliseconds since the epoch until which the member is damped; absent: it is not. */
  readonly quietAt?: number
  /** Of one that is down: what it had before that fall. */
  readonly unfallen?: Penalty
}

type Penalty = Pick<Flaps, 'penalty' | 'at' | 'quietAt'>

export type FlapsOfPool = ReadonlyMap<DestinationKey, Flaps>

/** As routers have them, in the units of RFC 2439: what one fall costs, above what a member is out, and below what it is back. */
const FALL = 1000
const SUPPRESS = 2000
const REUSE = 750

/** However long a member has flapped, it is back after this many half-lives of quiet. */
const MOST_HALF_LIVES = 4

/**
 * The flaps of a pool after what was found of its members; every fall counts, also one that is undone before it is acted on. But for one that
 * ends while nobody believes it: the fault of a question for all must not take them out when it is over. `isUnbelieved` is of the moment before.
 */
export function countFalls(
  before: FlapsOfPool,
  found: ReadonlyMap<DestinationKey, Operational>,
  damping: PolicySpec['damping'],
  isUnbelieved: (key: DestinationKey) => boolean,
  now: number,
): FlapsOfPool {
  if (damping === 'off') return before.size === 0 ? before : new Map()
  let flaps: Map<DestinationKey, Flaps> | undefined
  // Mostly the same members come in the same order, and looking each of thousands up would cost more than all the rest.
  const inOrder = before.entries()
  for (const [key, { health }] of found) {
    const next = inOrder.next().value
    const old = next?.[0] === key ? next[1] : before.get(key)
    if (old?.health === health) continue
    flaps ??= new Map(before)
    const isForgiven = health === 'up' && old?.unfallen !== undefined && isUnbelieved(key)
    flaps.set(key, isForgiven ? { health, ...old.unfallen } : turned(old, health, damping.halfLife, now))
  }
  if (before.size > found.size || (flaps?.size ?? found.size) > found.size) {
    flaps ??= new Map(before)
    for (const key of before.keys()) if (!found.has(key)) flaps.delete(key)
  }
  return flaps ?? before
}

/** Whether a member has fallen too often to be used. */
export function isDamped(flaps: Flaps | undefined, now: number): boolean {
  return flaps?.quietAt !== undefined && now < flaps.quietAt
}

/** The members that have, with the times at which they are used again. */
export function dampedOf(flaps: FlapsOfPool, now: number): ReadonlyMap<DestinationKey, number> {
  const damped = new Map<DestinationKey, number>()
  for (const [key, { quietAt }] of flaps) if (quietAt !== undefined && now < quietAt) damped.set(key, quietAt)
  return damped
}

/** The first word about a member says nothing of its past. */
function turned(old: Flaps | undefined, health: Health, halfLife: number, now: number): Flaps {
  const { health: was, unfallen: _, ...unfallen } = old ?? { health, penalty: 0, at: now }
  if (was !== 'up' || health !== 'down') return { ...unfallen, health }
  const most = REUSE * 2 ** MOST_HALF_LIVES
  const penalty = Math.min(most, unfallen.penalty * 2 ** (-(now - unfallen.at) / halfLife) + FALL)
  const damped = penalty > SUPPRESS || isDamped(old, now)
  return { health, penalty, at: now, unfallen, ...(damped && { quietAt: now + halfLife * Math.log2(penalty / REUSE) }) }
}
