import { type Backend, type BackendSet, sameBackend } from '../model/backend.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { SourceEvent, SourceFailure } from '../model/source-event.ts'
import type { Member } from './desired-update.ts'

export type Members = ReadonlyMap<DestinationKey, Member>

/** What is held of one source. An outage keeps it for ever, unless the service has a `max_age`. */
export interface HeldSource {
  readonly state: 'pending' | 'up' | 'stale'
  readonly members: Members
  /** Milliseconds since the epoch of the last answer; absent: it has never answered. */
  readonly answeredAt?: number
  /** There was an answer that is believed to be whole; absent: nothing may be removed yet. */
  readonly whole?: true
  /** Milliseconds since the epoch at which `state` began. */
  readonly since: number
  /** The last whole and trusted answer as it came: the same map again says the same again. */
  readonly answer?: BackendSet['backends']
  /** Answers that told something new. */
  readonly updates: number
  /** Entries of the last answer that could not be used; absent is none. */
  readonly quarantined?: number
  /** The last answer may lack members: they were added and changed, and none was removed. Only while the source answers. */
  readonly partial?: true
  /** Milliseconds since the epoch up to which the source was well; only while it is stale. */
  readonly wellUntil?: number
  /** `max_age` was reached: the members were let go. */
  readonly expired?: true
  readonly failure?: SourceFailure
}

export const NO_MEMBERS: Members = new Map()

/** A source that has just been opened. */
export function nothingHeld(now: number): HeldSource {
  return { state: 'pending', members: NO_MEMBERS, since: now, updates: 0 }
}

/** What is held after one more event. Members that did not change keep their identity, and so does the whole set. */
export function hold(held: HeldSource, event: SourceEvent, now: number): HeldSource {
  switch (event.kind) {
    case 'pending':
      return failed(held, event.failure, now)
    case 'fresh':
      return answered(held, event.set, now)
    case 'stale': {
      // A set that comes with a failure is the last good one of this source: what is held already is newer or equal.
      if (held.answeredAt !== undefined) return failed(held, event.failure, now)
      const members = extend(held.members, event.set)
      const { at } = event.set
      // How long it has failed nobody knows: one that has nothing new to say may be silent for long, and nobody listened before the start.
      return { ...failed({ ...held, members, answeredAt: at, whole: true }, event.failure, now), wellUntil: now }
    }
  }
}

/** When what is held is too old for its service; undefined while the source is well or nothing can become too old. */
export function expiryAt({ state, expired, wellUntil }: HeldSource, maxAge: number | undefined): number | undefined {
  return state !== 'stale' || expired || maxAge === undefined || wellUntil === undefined ? undefined : wellUntil + maxAge
}

/** What is held of a source that has been away for too long. */
export function expire({ answer: _, ...held }: HeldSource): HeldSource {
  return { ...held, members: NO_MEMBERS, expired: true }
}

/** Members made from a map of backends, with the identities of `previous` where they say the same. */
export function membersOf(previous: Members, backends: ReadonlyMap<DestinationKey, Backend>, origin: string): Members {
  const changed: [DestinationKey, Member][] = []
  let kept = 0
  for (const [key, backend] of backends) {
    const old = previous.get(key)
    if (old !== undefined) kept++
    if (old === undefined || old.origin !== origin || !sameBackend(old.backend, backend)) changed.push([key, { backend, origin }])
  }
  if (changed.length === 0 && kept === previous.size) return previous
  // Copying a map whole is many times cheaper than building it anew.
  const members = new Map(previous)
  if (kept < previous.size) for (const key of previous.keys()) if (!backends.has(key)) members.delete(key)
  for (const [key, member] of changed) members.set(key, member)
  return members
}

function answered(held: HeldSource, set: BackendSet, now: number): HeldSource {
  const since = held.state === 'up' ? held.since : now
  const isWhole = set.trust === 'fresh'
  const quarantined = set.quarantined === undefined ? {} : { quarantined: set.quarantined }
  if (isWhole && set.backends === held.answer) {
    const { failure: _, wellUntil: __, quarantined: ___, partial: ____, ...rest } = held
    return { ...rest, state: 'up', answeredAt: set.at, since, ...quarantined }
  }
  const members = isWhole ? membersOf(held.members, set.backends, set.origin) : extend(held.members, set)
  const isNews = members !== held.members || held.updates === 0
  return {
    state: 'up',
    members,
    answeredAt: set.at,
    since,
    updates: held.updates + (isNews ? 1 : 0),
    ...((isWhole || held.whole) && { whole: true }),
    ...(isWhole ? { answer: set.backends } : { partial: true }),
    ...quarantined,
  }
}

function failed(held: HeldSource, failure: SourceFailure | undefined, now: number): HeldSource {
  const state = held.answeredAt === undefined ? 'pending' : failure === undefined ? held.state : 'stale'
  const { failure: _, partial: __, ...rest } = held
  return {
    ...rest,
    state,
    since: state === held.state ? held.since : now,
    ...(held.state === 'up' && state === 'stale' && { wellUntil: now }),
    ...(failure !== undefined && { failure }),
  }
}

/** An answer that may lack members adds and updates, and removes nothing. */
function extend(previous: Members, set: BackendSet): Members {
  const said = membersOf(previous, set.backends, set.origin)
  if (said === previous) return previous
  const union = new Map([...previous, ...said])
  const changed = union.size !== previous.size || [...said].some(([key, member]) => previous.get(key) !== member)
  return changed ? union : previous
}
