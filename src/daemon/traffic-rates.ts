import type { TrafficReport } from '../admin/status-schema.ts'
import { countOn, totals } from '../admin/true-counters.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { TrafficCounters } from '../model/ipvs-table.ts'
import type { ServiceKey } from '../model/virtual-service.ts'

/** Milliseconds between two readings beyond which their difference says nothing of now. */
const TOO_LONG = 60_000

/** Milliseconds between two moments at which the kernel adds up what its processors counted (ip_vs_est.c); in between its totals stand still. */
const REFRESH = 2_000

/** Milliseconds without a change after which there is no traffic, and not merely no news of it. */
const STILL = 2_500

interface Reading {
  readonly counters: TrafficCounters
  /** Milliseconds of a clock that never jumps. */
  readonly at: number
}

/** What is known of the traffic of one object. */
export interface Measured {
  readonly last: Reading
  /** The one before that. */
  readonly earlier?: Reading
  /** When its totals were seen to be others last; absent: not yet. */
  readonly changedAt?: number
  /** A second; absent: not known yet. */
  readonly rates?: TrafficReport
}

/** What one more look says. The totals of an object change at every second look or so, its traffic does not. */
export function measured(before: Measured | undefined, now: Reading): Measured {
  if (before === undefined) return { last: now }
  const { last, earlier, changedAt = last.at, rates } = before
  const span = now.at - last.at
  if (span <= 0 || span > TOO_LONG) return { last: now }
  const next = { last: now, earlier: last }
  // Between looks that are further apart the kernel adds up once or several times: over two of them that evens out.
  if (span > REFRESH) {
    const base = earlier === undefined || now.at - earlier.at > TOO_LONG ? last : earlier
    return { ...next, changedAt: now.at, rates: ratesBetween(base.counters, now.counters, now.at - base.at) }
  }
  // Between two looks that are close to each other it does so once at the most.
  if (differs(last.counters, now.counters)) {
    return { ...next, changedAt: now.at, rates: ratesBetween(last.counters, now.counters, REFRESH) }
  }
  if (now.at - changedAt >= STILL) return { ...next, changedAt, rates: NONE }
  return { ...next, changedAt, ...(rates !== undefined && { rates }) }
}

const NONE: TrafficReport = Object.freeze({ connections: 0, packets_in: 0, packets_out: 0, bytes_in: 0, bytes_out: 0 })

/** The rates of all objects at one look, out of what the look before knew. An object that is not asked for is forgotten. */
export class TrafficRates {
  readonly #before: ReadonlyMap<ServiceKey, ReadonlyMap<DestinationKey | undefined, Measured>>
  readonly #now = new Map<ServiceKey, Map<DestinationKey | undefined, Measured>>()
  readonly #at: number

  /** `at`: milliseconds of a clock that never jumps. */
  constructor(before: TrafficRates | undefined, at: number) {
    this.#before = before === undefined ? new Map() : before.#now
    this.#at = at
  }

  /** Undefined: not known yet. `backend`: absent for the service itself. */
  of(service: ServiceKey, backend: DestinationKey | undefined, counters: TrafficCounters): TrafficReport | undefined {
    const known = this.#now.get(service) ?? new Map<DestinationKey | undefined, Measured>()
    this.#now.set(service, known)
    const next = measured(this.#before.get(service)?.get(backend), { counters, at: this.#at })
    known.set(backend, next)
    return next.rates
  }
}

/** A second, with a decimal where they are small. `span`: milliseconds. What began again from zero in between counts in full. */
function ratesBetween(before: TrafficCounters, now: TrafficCounters, span: number): TrafficReport {
  const sum = totals(countOn({ before: undefined, now: before }, now))
  const each = (field: keyof TrafficCounters) => rounded((Number(sum[field] - before[field]) * 1_000) / span)
  return {
    connections: each('connections'),
    packets_in: each('packetsIn'),
    packets_out: each('packetsOut'),
    bytes_in: each('bytesIn'),
    bytes_out: each('bytesOut'),
  }
}

function differs(a: TrafficCounters, b: TrafficCounters): boolean {
  return (
    a.connections !== b.connections ||
    a.packetsIn !== b.packetsIn ||
    a.packetsOut !== b.packetsOut ||
    a.bytesIn !== b.bytesIn ||
    a.bytesOut !== b.bytesOut
  )
}

function rounded(rate: number): number {
  return rate < 100 ? Math.round(rate * 10) / 10 : Math.round(rate)
}
