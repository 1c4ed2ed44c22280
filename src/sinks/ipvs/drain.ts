import type { DestinationReading } from '../../model/ipvs-table.ts'
import type { VirtualService } from '../../model/virtual-service.ts'
import type { Drain } from '../../store/ownership.ts'

/** Two reads closer than this many milliseconds count as one: "two in a row" has to mean that time passed between them. */
const READS_APART = 500

/** Whether weight 0 turns clients away instead of sending them elsewhere: `dh` always, `sh` and `mh` without their fallback flag. */
export function refusesAtZero(service: Pick<VirtualService, 'scheduler' | 'flags'>): boolean {
  if (service.scheduler === 'dh') return true
  return (service.scheduler === 'sh' || service.scheduler === 'mh') && !service.flags.flag1
}

/**
 * Whether a leaving destination is deleted at once instead of drained: UDP and one-packet services have no connections
 * worth waiting for (a busy client would stay at weight 0 for ever), and see `refusesAtZero`.
 */
export function leavesAtOnce(service: VirtualService): boolean {
  const { identity } = service
  return (identity.kind === 'address' && identity.protocol === 'udp') || service.onePacket || refusesAtZero(service)
}

/** A drain that starts now. */
export function newDrain(now: number, timeout: number): Drain {
  return { startedAt: now, deadline: now + timeout }
}

/** Whether a recorded drain can be gone on with: one that starts in the future was written by a clock that has been set back. */
export function isCredible(drain: Drain, now: number): boolean {
  return drain.startedAt <= now
}

/** What the reads of a draining destination have shown: since when nothing was active, and whether that is enough. */
export interface Idleness {
  readonly since: number
  readonly twice: boolean
}

/**
 * What one more read adds. Only active connections count, and only reads that saw weight 0: inactive connections and
 * persistence templates would hold a drain for minutes that no client uses.
 */
export function idleAfterRead(known: Idleness | undefined, reading: DestinationReading, now: number): Idleness | undefined {
  if (reading.destination.weight !== 0 || reading.connections.active > 0) return undefined
  if (known === undefined) return { since: now, twice: false }
  return known.twice || now - known.since >= READS_APART ? { since: known.since, twice: true } : known
}
