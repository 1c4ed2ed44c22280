import { isDeepStrictEqual } from 'node:util'
import type { DestinationKey } from '../model/destination.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { SourceEvent, SourceFailure } from '../model/source-event.ts'
import { type SourceSpec, sourceName } from '../model/source-spec.ts'
import { awayIn, failingIn, isFoundUp, isMaintained } from './away.ts'
import { type Debounced, debounce, NOTHING_PASSED, dueAt as passingAt, passWhatIsDue } from './debounce.ts'
import { type Decided, decide } from './decide.ts'
import { countFalls, type FlapsOfPool } from './deciding/damping.ts'
import { hasUnbelieved, isUnbelieved } from './deciding/ejection.ts'
import { type Heard, type Hearing, hear, hearingDueAt, NO_HEARING, passWhatIsHeard } from './deciding/hearing.ts'
import { type KernelHeld, NOTHING_HELD } from './deciding/kernel-known.ts'
import { approvedPool, judgePool, newPool, type Pool, servedUnasked } from './deciding/pool.ts'
import { type Guarded, guard, NOTHING_GUARDED, restoreGuard } from './guard.ts'
import { expire, expiryAt, hold, type Members, membersOf, NO_MEMBERS } from './hold.ts'
import { mergeMembers } from './merge.ts'
import { excusedBy, isEmptied, type Replaced, replacedBy } from './replaced.ts'
import { sameContext } from './same-context.ts'
import { isOutdated, isUnproven, isWhole, type Slot, silence, wordOfThePast } from './slot.ts'

/** Everything that is known of one service, from its configuration to the verdict. */
export interface ServiceState {
  readonly spec: ServiceSpec
  readonly pinned: Members
  /** In the order of the configuration. */
  readonly slots: readonly Slot[]
  /** Answers of sources that were closed; they count until every source that the configuration names has answered. */
  readonly replaced: readonly Replaced[]
  readonly guarded: Guarded
  /** Members whose removal is held and that fail their probes. */
  readonly failing: ReadonlySet<DestinationKey>
  readonly merged: Members
  readonly debounced: Debounced
  /** What probes and the operator say of the members. */
  readonly hearing: Hearing
  readonly flaps: FlapsOfPool
  readonly expiresQuiescentTemplates: boolean
  readonly pool: Pool
  readonly decided: Decided
  /** Milliseconds since the epoch at which time itself changes something here. */
  readonly dueAt: number
}

/** Opens a source of a service under a number that was never given before. */
export type OpenSlotOf = (spec: ServiceSpec, source: SourceSpec) => Slot

/** Origin of members that are written in the configuration itself. */
export const PINNED_ORIGIN = 'static'

const NOBODY: ReadonlySet<DestinationKey> = new Set()

const NONE_OF_THEM: ReadonlySet<string> = new Set()

const NEVER = Number.POSITIVE_INFINITY

/** What besides its configuration is known of a service that begins. */
export interface Beginning {
  readonly words: Heard['words']
  readonly kernel: KernelHeld
  readonly expiresQuiescentTemplates: boolean
}

export const NO_BEGINNING: Beginning = { words: new Map(), kernel: NOTHING_HELD, expiresQuiescentTemplates: false }

/** A service that the configuration has just named. */
export function startService(
  spec: ServiceSpec,
  open: OpenSlotOf,
  now: number,
  { words, kernel, expiresQuiescentTemplates }: Beginning = NO_BEGINNING,
): ServiceState {
  const heard: Heard = { ...NO_HEARING.told, words }
  const empty: ServiceState = {
    spec,
    pinned: NO_MEMBERS,
    slots: [],
    replaced: [],
    guarded: NOTHING_GUARDED,
    failing: NOBODY,
    merged: NO_MEMBERS,
    debounced: NOTHING_PASSED,
    hearing: { ...NO_HEARING, passed: heard, told: heard },
    flaps: new Map(),
    expiresQuiescentTemplates,
    pool: newPool(kernel),
    decided: decide(spec, NO_MEMBERS, false),
    dueAt: NEVER,
  }
  return underSpec(empty, spec, open, now)
}

/** The service under a new configuration. Sources that are still the same stay open and keep what they said. */
export function changeSpec(state: ServiceState, spec: ServiceSpec, open: OpenSlotOf, now: number): ServiceState {
  return isDeepStrictEqual(state.spec, spec) ? state : underSpec(state, spec, open, now)
}

function underSpec(state: ServiceState, spec: ServiceSpec, open: OpenSlotOf, now: number): ServiceState {
  const kept = sameContext(state.spec, spec) ? [...state.slots] : []
  const slots = spec.sources.map((source) => {
    const index = kept.findIndex((slot) => isDeepStrictEqual(slot.spec, source))
    return (index < 0 ? undefined : kept.splice(index, 1)[0]) ?? open(spec, source)
  })
  const closed = state.slots.filter((slot) => !slots.includes(slot)).map((slot) => replacedBy(state, slot, spec))
  const pinned = membersOf(state.pinned, spec.backends, PINNED_ORIGIN)
  const guardBy = isDeepStrictEqual(state.spec.guard, spec.guard) ? 'free' : 'rules'
  const pool = state.spec.checks.length === 0 && spec.checks.length > 0 ? servedUnasked(state.pool, servingOf(state)) : state.pool
  const changed = { ...state, spec, pinned, slots, pool, replaced: [...closed, ...state.replaced] }
  return onward(changed, now, { atOnce: true, guardBy })
}

function servingOf({ decided }: ServiceState): DestinationKey[] {
  return [...decided.service.destinations].flatMap(([key, { weight }]) => (weight > 0 ? [key] : []))
}

/** The service after a word of one of its sources; the first answer of a source is never delayed. */
export function sourceSaid(state: ServiceState, number: number, event: SourceEvent, now: number): ServiceState {
  const slot = state.slots.find((open) => open.number === number)
  if (slot === undefined) return state
  const name = sourceName(slot.spec)
  const failure = event.kind === 'fresh' ? silence(slot, now) : event.failure
  const based = failure === undefined ? state : fromThePast(state, slot, failure, now)
  const before = based.slots.find((open) => open.number === number) ?? slot
  const held = hold(before.held, named(event, name), now)
  const isNew = held.answeredAt !== undefined && (before.held.answeredAt ?? -NEVER) < held.answeredAt
  const isTrusted = event.kind === 'fresh' && event.set.trust === 'fresh' && isNew
  const isFirst =
    held.answeredAt !== undefined && (slot.held.answeredAt === undefined || (isWhole({ ...slot, held }) && !isWhole(slot)))
  return onward(withSlot(based, { ...before, held }), now, { atOnce: isFirst, ...(isTrusted && { answered: name }) })
}

/** Members are told apart by the name of their source, whatever it calls itself. */
function named(event: SourceEvent, origin: string): SourceEvent {
  return event.kind === 'pending' || event.set.origin === origin ? event : { ...event, set: { ...event.set, origin } }
}

/**
 * The service as if the source had said what an earlier process knew of it, and then failed. Nothing of it goes on by
 * itself: what a fresh answer no longer names meets the guard and not the kernel.
 */
function fromThePast(state: ServiceState, slot: Slot, failure: SourceFailure, now: number): ServiceState {
  const { past, ...present } = slot
  if (past === undefined) return state
  const origin = sourceName(slot.spec)
  const replaced = hold(slot.held, wordOfThePast(past, slot.spec, failure), now)
  const next = withSlot(state, { ...present, held: replaced, ...(past.outdated && { outdated: past.outdated }) })
  const held = new Map([...past.held].map(([key, { backend, ...removal }]) => [key, { removal, member: { backend, origin } }]))
  return { ...next, guarded: restoreGuard(state.guarded, listedBy(next), held) }
}

/** The service after the operator has approved of every removal and every failure that is held. */
export function approved(state: ServiceState, now: number): ServiceState {
  const { pool, guarded } = state
  const believing = hasUnbelieved(pool.ejections) ? { ...state, pool: approvedPool(pool) } : state
  if (guarded.held.size > 0) return onward(believing, now, { guardBy: 'operator' })
  return believing === state ? state : verdict(believing, now)
}

/** The service after news of its members that do not come from its sources. */
export function heardOf(state: ServiceState, news: Partial<Heard>, now: number): ServiceState {
  const { spec, hearing } = state
  const hears = hear(hearing, { ...hearing.told, ...news }, spec.debounce, now)
  const held = (key: DestinationKey) => isUnbelieved(state.pool.ejections, key)
  const flaps = news.found === undefined ? state.flaps : countFalls(state.flaps, news.found, spec.policy.damping, held, now)
  const informed = { ...state, hearing: hears, flaps }
  if (state.guarded.held.size > 0) return onward(informed, now, { guardBy: 'probes' })
  // A look at a large pool costs milliseconds, and what waits is looked at when it passes.
  const waits = hears.passed === hearing.passed && hears.waitingSince !== undefined && now < state.pool.dueAt
  return waits ? { ...informed, dueAt: Math.min(dueAt(informed), state.pool.dueAt) } : verdict(informed, now)
}

/** The service after its kernel was found to be set otherwise. */
export function underKernel(state: ServiceState, expiresQuiescentTemplates: boolean, now: number): ServiceState {
  if (state.expiresQuiescentTemplates === expiresQuiescentTemplates) return state
  return verdict({ ...state, expiresQuiescentTemplates }, now)
}

/** The service after the probes of members whose removal is held came to another verdict. */
export function probed(state: ServiceState, failing: ReadonlySet<DestinationKey>, now: number): ServiceState {
  return state.guarded.held.size === 0 ? state : onward({ ...state, failing }, now, { guardBy: 'probes' })
}

/** The service after a moment without events. */
export function timePassed(state: ServiceState, now: number): ServiceState {
  let next = state
  for (const slot of state.slots) {
    if (slot.past !== undefined && now >= slot.pastFrom) next = fromThePast(next, slot, silence(slot, now), now)
  }
  const { maxAge } = state.spec.hold
  const tooOld = next.slots.filter(({ held }) => now >= (expiryAt(held, maxAge) ?? NEVER))
  for (const slot of tooOld) next = withSlot(next, { ...slot, held: expire(slot.held) })
  const expired = new Set(tooOld.map(({ spec }) => sourceName(spec)))
  if (next !== state) next = onward(next, now, { atOnce: true, guardBy: 'free', expired })
  const debounced = passWhatIsDue(next.debounced, next.spec.debounce, now)
  const hearing = passWhatIsHeard(next.hearing, next.spec.debounce, now)
  const waited = debounced === next.debounced && hearing === next.hearing && now < next.pool.dueAt
  return waited ? next : verdict({ ...next, debounced, hearing }, now)
}

function withSlot(state: ServiceState, slot: Slot): ServiceState {
  return { ...state, slots: state.slots.map((open) => (open.number === slot.number ? slot : open)) }
}

/** What is special about a step. */
interface Occasion {
  /** What arrives is not debounced. */
  readonly atOnce?: boolean
  /** Name of the source that has given a fresh, trusted answer. */
  readonly answered?: string
  /** What besides the sources may change the guard's mind: something it does not count, its rules, probes, or the operator's approval. */
  readonly guardBy?: 'free' | 'rules' | 'probes' | 'operator'
  /** Names of the sources that have been away for too long. */
  readonly expired?: ReadonlySet<string>
}

function onward(state: ServiceState, now: number, { atOnce, answered, guardBy, expired }: Occasion): ServiceState {
  const { pinned, slots, spec } = state
  const replaced = slots.every(isWhole) ? [] : state.replaced
  const dropped = replaced === state.replaced ? [] : state.replaced
  const emptied = new Set(slots.filter((slot) => isEmptied(state, slot)).map((slot) => sourceName(slot.spec)))
  const listed = listedBy({ ...state, replaced })
  const excused = excusedBy(dropped, listed, state)
  const guarded = guard(state.guarded, listed, spec.guard, now, {
    ...(answered !== undefined && { answered }),
    ...(guardBy !== undefined && { review: guardBy === 'rules' ? 'anew' : 'again' }),
    emptied: ({ origin }) => emptied.has(origin),
    failing: () => failingIn(state),
    away: () => awayIn(state, now),
    grace: (key) => (isFoundUp(state, key) ? (spec.policy.absentGrace ?? 0) : 0),
    free: (key, { origin }) =>
      guardBy === 'operator' ||
      expired?.has(origin) === true ||
      pinned.has(key) ||
      excused.some((members) => members.has(key)) ||
      isMaintained(state, key, now),
  })
  const failing = stillHeld(state.failing, guarded)
  const merged = mergeMembers(state.merged, [pinned, guarded.passed])
  const debounced = debounce(state.debounced, merged, spec.debounce, now, atOnce)
  return verdict({ ...state, replaced: replaced, guarded, failing, merged, debounced }, now)
}

/** Who is held no longer is probed no longer: what was found then says nothing about another time. */
function stillHeld(failing: ServiceState['failing'], { held }: Guarded): ServiceState['failing'] {
  if (failing.size === 0) return failing
  const still = [...failing].filter((key) => held.has(key))
  return still.length === failing.size ? failing : new Set(still)
}

/** Everything that sources name now, those included that are being replaced. */
function listedBy({ guarded, slots, replaced }: ServiceState): Members {
  return mergeMembers(
    guarded.listed,
    slots.map((slot) => slot.held.members),
    replaced.map(({ members }) => members),
  )
}

function verdict(state: ServiceState, now: number): ServiceState {
  const { spec, slots, hearing, flaps, expiresQuiescentTemplates } = state
  const complete = slots.every(isWhole)
  const members = state.debounced.passed
  const unproven = namesOf(slots, isUnproven)
  const outdated = namesOf(slots, isOutdated)
  const input = { spec, members, heard: hearing.passed, flaps, unproven, outdated, complete, expiresQuiescentTemplates }
  const pool = judgePool(state.pool, input, now)
  const decided = decide(spec, members, complete, state.decided, pool.verdict, pool.announced)
  return { ...state, pool, decided, dueAt: Math.min(dueAt(state), pool.dueAt) }
}

function namesOf(slots: readonly Slot[], accept: (slot: Slot) => boolean): ReadonlySet<string> {
  return slots.some(accept) ? new Set(slots.filter(accept).map(({ spec }) => sourceName(spec))) : NONE_OF_THEM
}

function dueAt({ debounced, hearing, slots, spec }: ServiceState): number {
  let due = Math.min(passingAt(debounced, spec.debounce) ?? NEVER, hearingDueAt(hearing, spec.debounce) ?? NEVER)
  for (const { past, pastFrom, held } of slots) {
    if (past !== undefined) due = Math.min(due, pastFrom)
    due = Math.min(due, expiryAt(held, spec.hold.maxAge) ?? NEVER)
  }
  return due
}
