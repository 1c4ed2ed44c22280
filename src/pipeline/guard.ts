import { isDown } from '../model/backend.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { GuardSpec } from '../model/service-spec.ts'
import type { HeldRemoval, Member, Release } from './desired-update.ts'
import { type Members, NO_MEMBERS } from './hold.ts'

/** The discovered members of one service on their way through the guard. */
export interface Guarded {
  /** What the sources name. */
  readonly listed: Members
  /** What goes on: what is named, and what is held. */
  readonly passed: Members
  readonly held: ReadonlyMap<DestinationKey, HeldRemoval>
  /** Members in `passed` that are not known to be down, when that was counted: neither by their source nor by `away`. */
  readonly count: number
  /** Members that were away then. */
  readonly away: ReadonlySet<DestinationKey>
  /** Higher numbers of such members than now, falling. */
  readonly earlier: readonly Earlier[]
  /** Held removals that ended in the step that made this. */
  readonly released: ReadonlyMap<DestinationKey, Release>
}

/** How many were not known to be down until a moment, those who were away not counted. */
interface Earlier {
  readonly count: number
  readonly away: ReadonlySet<DestinationKey>
  readonly until: number
}

/** What else the guard must know of the moment. */
export interface Circumstances {
  /** Origin of the source that has given a fresh, trusted answer just now. */
  readonly answered?: string
  /** Whether this member's source named nobody in its last answer. */
  readonly emptied: (member: Member) => boolean
  /** Whether the removal is not a source's doing (configuration, operator, max_age): it passes and is not counted. */
  readonly free: (key: DestinationKey, member: Member) => boolean
  /** Members that fail their probes; what is not listed answers, or cannot be asked. */
  readonly failing?: () => ReadonlySet<DestinationKey>
  /** Members that probes call down or that the operator maintains, each with the time at which that began: they count for nothing. */
  readonly away?: () => ReadonlyMap<DestinationKey, number>
  /** Milliseconds for which a removal must be held at least, however often it is repeated. */
  readonly grace?: (key: DestinationKey) => number
  /** Something besides the sources may change the verdict: `again` what `free` and `failing` tell of, `anew` the rules themselves. */
  readonly review?: 'again' | 'anew'
}

export const NOTHING_GUARDED: Guarded = {
  listed: NO_MEMBERS,
  passed: NO_MEMBERS,
  held: new Map(),
  count: 0,
  away: new Set(),
  earlier: [],
  released: new Map(),
}

const NOBODY_AWAY: ReadonlyMap<DestinationKey, number> = new Map()

/** In pools below this one member may go in each window, whatever its share. */
const SMALL = 4

/**
 * Takes up what the sources name now. Additions are always believed. A removal passes while the members that are not
 * known to be down stay at or above the floor: the highest number of them within the window, less `maxRemoval` percent.
 * The rest is held, and let go when fresh answers of its source have repeated it for the window, when arrivals pay for
 * it, when it fails its probe (after an answer that names nobody: when all of them do), or when it is not a source's
 * doing. Time alone and an outage release nothing.
 */
export function guard(state: Guarded, listed: Members, spec: GuardSpec, now: number, circumstances: Circumstances): Guarded {
  const { answered, review } = circumstances
  const silent = answered === undefined && review === undefined
  if (listed === state.listed && (state.held.size === 0 || silent)) return state
  const away = circumstances.away?.() ?? NOBODY_AWAY
  const { leaving, released, freed, present, idle } = missing(state, listed, away, spec, now, circumstances)
  const past = [...state.earlier, { count: state.count, away: state.away, until: now }]
  const earlier = within(now - spec.window, lowered(past, freed), idle)
  const verdict = judge(leaving, {
    up: countUp(listed, away),
    floor: floorOf(Math.max(present, ...earlier.map(({ count }) => count)), spec),
    arrived: state.held.size === 0 ? 0 : arrivals(state, listed, away),
    spec,
    anew: review === 'anew',
  })
  for (const key of verdict.paid) released.set(key, review === 'anew' ? 'free' : 'paid')
  for (const key of state.held.keys()) if (listed.has(key)) released.set(key, 'returned')
  const held = sameHeld(state.held, verdict.held) ? state.held : verdict.held
  const passed = listed === state.listed && held === state.held ? state.passed : withHeld(listed, state.passed, held)
  const absent = away.size === 0 ? NOTHING_GUARDED.away : new Set(away.keys())
  return {
    listed,
    passed,
    held,
    count: verdict.count,
    away: absent,
    earlier: remembered([...earlier, { count: present, away: absent, until: now }], verdict.count),
    released,
  }
}

/** A removal that an earlier process held, and the member that it concerns. */
export interface PastRemoval {
  readonly removal: HeldRemoval
  readonly member: Member
}

/** The guard as an earlier process left it: with what was named then, and with what was held. */
export function restoreGuard(state: Guarded, listed: Members, past: ReadonlyMap<DestinationKey, PastRemoval>): Guarded {
  const held = new Map(state.held)
  const members = new Map(state.passed)
  for (const [key, { removal, member }] of past) {
    held.set(key, removal)
    members.set(key, member)
  }
  for (const key of held.keys()) if (listed.has(key)) held.delete(key)
  const passed = withHeld(listed, members, held)
  return { ...state, listed, passed, held, count: countUp(passed, NOBODY_AWAY), released: new Map() }
}

/** The members whose removal by one source is held. */
export function heldFor({ held, passed }: Guarded, origin: string): Members {
  const members = new Map<DestinationKey, Member>()
  for (const key of held.keys()) {
    const member = passed.get(key)
    if (member?.origin === origin) members.set(key, member)
  }
  return members
}

/** The least number of members that must stay. */
export function floorOf(peak: number, { maxRemoval }: GuardSpec): number {
  const floor = Math.ceil(((100 - maxRemoval) * peak) / 100)
  return peak < SMALL ? Math.min(floor, Math.max(0, peak - 1)) : floor
}

interface Leaving extends HeldRemoval {
  readonly key: DestinationKey
  readonly isNew: boolean
  readonly isAway: boolean
}

/**
 * The members that are no longer named and whose going is still to be judged, those that wait longest first; those whose going
 * does not count; how many of the rest were not known to be down until now; and since when those are away that their source
 * does not call down.
 */
function missing(
  state: Guarded,
  listed: Members,
  away: ReadonlyMap<DestinationKey, number>,
  spec: GuardSpec,
  now: number,
  circumstances: Circumstances,
) {
  const { answered, emptied, free, grace = () => 0 } = circumstances
  const isDead = deadAmong(state, listed, circumstances)
  const leaving: Leaving[] = []
  const released = new Map<DestinationKey, Release>()
  const freed: DestinationKey[] = []
  const idle = new Map<DestinationKey, number>()
  let present = 0
  for (const [key, member] of state.passed) {
    if (isDown(member.backend)) continue
    const awaySince = away.get(key)
    if (awaySince === undefined) present++
    if (listed.has(key)) {
      if (awaySince !== undefined) idle.set(key, awaySince)
      continue
    }
    const before = state.held.get(key)
    const rule = emptied(member) ? 'empty' : 'removal'
    const since = before?.rule === rule ? before.since : now
    if (free(key, member)) {
      freed.push(key)
      if (before !== undefined) released.set(key, 'free')
    } else if (isDead(key, member)) {
      freed.push(key)
      if (before !== undefined) released.set(key, 'probe')
    } else if (before !== undefined && answered === member.origin && now - since >= Math.max(patience(rule, spec), grace(key))) {
      released.set(key, 'repeated')
    } else {
      leaving.push({ key, since, rule, isNew: before === undefined, isAway: awaySince !== undefined })
      if (awaySince !== undefined) idle.set(key, awaySince)
    }
  }
  for (const key of freed) if (!away.has(key)) present--
  return { leaving: leaving.sort((a, b) => a.since - b.since), released, freed, present, idle }
}

/** Who of the leaving fails the probes in a way that lets them go; after an empty answer they go together or not at all. */
function deadAmong(state: Guarded, listed: Members, circumstances: Circumstances) {
  const { emptied } = circumstances
  const failing = circumstances.failing?.()
  if (failing === undefined || failing.size === 0) return () => false
  const alive = new Set<string>()
  for (const [key, member] of state.passed) {
    if (listed.has(key) || isDown(member.backend) || failing.has(key)) continue
    if (emptied(member)) alive.add(member.origin)
  }
  return (key: DestinationKey, member: Member) => failing.has(key) && !(emptied(member) && alive.has(member.origin))
}

/** Milliseconds for which fresh answers must repeat a removal that is held. */
function patience(rule: HeldRemoval['rule'], { window, onEmpty }: GuardSpec): number {
  if (rule === 'removal') return window
  return typeof onEmpty === 'number' ? onEmpty : Number.POSITIVE_INFINITY
}

interface Measure {
  /** Members that are named and not known to be down. */
  readonly up: number
  readonly floor: number
  readonly arrived: number
  readonly spec: GuardSpec
  readonly anew: boolean
}

/** Which of the leaving members are held. One that was held before needs an arrival that takes its place. */
function judge(leaving: readonly Leaving[], { up, floor, arrived, spec, anew }: Measure) {
  const held = new Map<DestinationKey, HeldRemoval>()
  const paid: DestinationKey[] = []
  let count = up + leaving.filter(({ isAway }) => !isAway).length
  let places = arrived
  for (const { key, since, rule, isNew, isAway } of leaving) {
    const allowed = rule === 'empty' ? spec.onEmpty === 'apply' : count > floor && (isNew || anew || places > 0)
    if (!allowed) {
      held.set(key, { since, rule })
      continue
    }
    if (!isAway) count--
    if (isNew) continue
    places--
    paid.push(key)
  }
  return { held, paid, count }
}

function countUp(members: Members, away: ReadonlyMap<DestinationKey, number>): number {
  let count = 0
  for (const [key, { backend }] of members) if (!isDown(backend) && !away.has(key)) count++
  return count
}

/** How many members serve that did not before. */
function arrivals(before: Guarded, listed: Members, away: ReadonlyMap<DestinationKey, number>): number {
  let count = 0
  for (const [key, { backend }] of listed) {
    if (isDown(backend) || away.has(key)) continue
    const old = before.passed.get(key)
    if (old === undefined || isDown(old.backend) || before.away.has(key)) count++
  }
  return count
}

function withHeld(listed: Members, before: Members, held: ReadonlyMap<DestinationKey, unknown>): Members {
  if (held.size === 0) return listed
  const passed = new Map(listed)
  for (const key of held.keys()) {
    const member = before.get(key)
    if (member !== undefined) passed.set(key, member)
  }
  return passed
}

/** Members whose going does not count were never there. */
function lowered(earlier: readonly Earlier[], freed: readonly DestinationKey[]): readonly Earlier[] {
  if (freed.length === 0) return earlier
  return earlier.map((one) => ({ ...one, count: one.count - freed.filter((key) => !one.away.has(key)).length }))
}

/** What of it lies in the window that begins then; who has been away since before it is not counted in it. */
function within(begin: number, earlier: readonly Earlier[], idle: ReadonlyMap<DestinationKey, number>): readonly Earlier[] {
  const before = [...idle].filter(([, since]) => since <= begin).map(([key]) => key)
  return earlier
    .filter(({ until }) => until > begin)
    .map((one) => {
      const more = before.filter((key) => !one.away.has(key))
      return more.length === 0 ? one : { ...one, count: one.count - more.length, away: new Set([...one.away, ...more]) }
    })
}

/** Only what is higher than all that came later can still be the highest of the window. */
function remembered(earlier: readonly Earlier[], count: number): readonly Earlier[] {
  const highest: Earlier[] = []
  for (const one of earlier.toReversed()) if (one.count > (highest.at(-1)?.count ?? count)) highest.push(one)
  return highest.reverse()
}

function sameHeld(a: Guarded['held'], b: Guarded['held']): boolean {
  if (a.size !== b.size) return false
  for (const [key, { since, rule }] of a) {
    const other = b.get(key)
    if (other?.since !== since || other.rule !== rule) return false
  }
  return true
}
