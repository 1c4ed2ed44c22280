import type { VirtualAddressSpec } from '../../model/service-spec.ts'
import type { Quorum } from './quorum.ts'

/** What decides whether the address of a pool is there. */
export interface AnnouncementMeasure {
  /** Undefined while too little is known of the pool. */
  readonly quorum: Quorum | undefined
  /** Some member is or was up: clients are sent to nobody who was never seen at work. */
  readonly everUp: boolean
  /** Some member served by the kernel when the service was taken up: then its address is there, and a restart leaves it there. */
  readonly servedBefore: boolean
}

const NEVER = Number.POSITIVE_INFINITY

/**
 * Whether the address of a service is to be announced; undefined where that does not hang on its quorum. It begins with a quorum of
 * members that were seen at work, and ends when the quorum has been lost for the hold time.
 */
export function isAnnounced(
  before: boolean | undefined,
  { quorum, everUp, servedBefore }: AnnouncementMeasure,
  spec: VirtualAddressSpec | undefined,
  now: number,
): boolean | undefined {
  if (spec?.announceWhen !== 'quorum') return undefined
  const was = before ?? servedBefore
  if (quorum === undefined) return was
  return quorum.has ? was || everUp : was && now < quorum.since + spec.hold
}

/** When time itself ends an announcement; infinite: it does not. */
export function announcementEndsAt(
  announced: boolean | undefined,
  quorum: Quorum | undefined,
  spec: VirtualAddressSpec | undefined,
): number {
  if (announced !== true || spec === undefined || quorum === undefined || quorum.has) return NEVER
  return quorum.since + spec.hold
}
