import type { BackendSet } from '../model/backend.ts'
import type { SourceEvent, SourceFailure } from '../model/source-event.ts'
import { type SourceSpec, sourceName } from '../model/source-spec.ts'
import type { LastGood } from './desired-update.ts'
import { type HeldSource, nothingHeld } from './hold.ts'

/** An open source of a service. The number is never used again: what a closed source still says is not heard. */
export interface Slot {
  readonly number: number
  readonly spec: SourceSpec
  readonly held: HeldSource
  /** What an earlier process knew of the source; absent once the source has spoken, or this has taken its place. */
  readonly past?: LastGood
  /** Milliseconds since the epoch from which `past` stands in for a source that says nothing. */
  readonly pastFrom: number
  /** What has taken its place was too old to be believed unseen. */
  readonly outdated?: true
}

/** A source that is just being opened; it has `patience` milliseconds for its first word. */
export function openSlot(number: number, spec: SourceSpec, past: LastGood | undefined, patience: number, now: number): Slot {
  return { number, spec, held: nothingHeld(now), ...(past !== undefined && { past }), pastFrom: now + patience }
}

/** Whether an answer of the source was believed to be whole, so that what it lacks may be missed. */
export function isWhole({ held }: Slot): boolean {
  return held.whole === true
}

/** Whether the source's last answer names no member. */
export function namesNobody(slot: Slot): boolean {
  return isWhole(slot) && slot.held.members.size === 0
}

/** Whether all that is known of the source's members was said to an earlier process. */
export function isUnproven({ held }: Slot): boolean {
  return held.answeredAt !== undefined && held.updates === 0
}

/** Whether that is so old that each member must pass a probe first. */
export function isOutdated(slot: Slot): boolean {
  return slot.outdated === true && isUnproven(slot)
}

/** What stands in for a source that does not answer: its last good answer from before. */
export function wordOfThePast({ members, at }: LastGood, spec: SourceSpec, failure: SourceFailure): SourceEvent {
  return { kind: 'stale', set: { backends: backendsOf(members), origin: sourceName(spec), trust: 'stale', at }, failure }
}

/** The members of which the source has to know that they were there; those of an answer that is too old are not. */
export function knownBefore({ past }: Slot): BackendSet['backends'] {
  return past === undefined || past.outdated ? new Map() : backendsOf(past.members)
}

function backendsOf(members: LastGood['members']): BackendSet['backends'] {
  return new Map([...members].map(([key, { backend }]) => [key, backend] as const))
}

/** The failure of a source that has said nothing since it was opened. */
export function silence({ held, pastFrom }: Slot, now: number): SourceFailure {
  const seconds = (pastFrom - held.since) / 1_000
  return { code: 'SOURCE_SILENT', message: `There was no answer within ${seconds} s.`, at: now }
}
