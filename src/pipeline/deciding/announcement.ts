import type { Announced } from '../../model/desired-state.ts'
import type { VirtualAddressSpec } from '../../model/service-spec.ts'
import type { Quorum } from './quorum.ts'

/** What decides whether the address of a pool is there. */
export interface AnnouncementMeasure {
  /** Undefined while too little is known of the pool. */
  readonly quorum: Quorum | undefined
  /** Some member was found up: clients are sent to nobody who was not seen at work, and what serves after a restart may do so in panic. */
  readonly foundUp: boolean
}

const NEVER = Number.POSITIVE_INFINITY

/**
 * Whether the address of a service is to be announced; undefined where that does not hang on its quorum. It begins with a quorum of
 * members that were seen at work, and ends when the quorum has been lost for the hold time. Until the first of either it is undecided: weights
 * in the kernel do not say whether an earlier process had the address here.
 */
export function isAnnounced(
  before: Announced | undefined,
  { quorum, foundUp }: AnnouncementMeasure,
  spec: VirtualAddressSpec | undefined,
  now: number,
): Announced | undefined {
  if (spec?.announceWhen !== 'quorum') return undefined
  const was = before ?? 'undecided'
  if (quorum === undefined) return was
  if (quorum.has) return foundUp || was
  return now < quorum.since + spec.hold && was
}

/** When time itself ends an announcement; infinite: it does not. */
export function announcementEndsAt(
  announced: Announced | undefined,
  quorum: Quorum | undefined,
  spec: VirtualAddressSpec | undefined,
): number {
  if (announced === undefined || announced === false || spec === undefined || quorum === undefined || quorum.has) return NEVER
  return quorum.since + spec.hold
}
