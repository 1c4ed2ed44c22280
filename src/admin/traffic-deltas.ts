import type { DestinationKey } from '../model/destination.ts'
import type { ConnectionCounts, IpvsTable, ServiceReading, TrafficCounters } from '../model/ipvs-table.ts'
import type { TrafficLogSpec } from '../model/service-spec.ts'
import type { ServiceIdentity, ServiceKey } from '../model/virtual-service.ts'
import { Pace } from './pace.ts'
import type { TrafficReport } from './status-schema.ts'
import { serviceLabels } from './traffic-ledger.ts'
import { countOn, type TrueCounters, totals, trafficReport } from './true-counters.ts'

/** A service whose traffic is logged. */
export interface WatchedTraffic {
  readonly name: string
  readonly identity: ServiceIdentity
  readonly log: TrafficLogSpec
}

/** One line: what came in so many seconds, to a service or to one backend of it. */
export interface TrafficLine extends Readonly<TrafficReport> {
  readonly service: string
  readonly vip: string
  readonly protocol: string
  readonly backend?: DestinationKey
  /** From the reading before to this one. */
  readonly seconds: number
  /** Now. */
  readonly active: number
  readonly inactive: number
}

interface Counted {
  readonly service: TrueCounters | undefined
  readonly backends: ReadonlyMap<DestinationKey, TrueCounters>
  /** Backends that are not there, and were while the service was. */
  readonly vanished: ReadonlyMap<DestinationKey, Vanished>
}

interface Vanished {
  readonly counters: TrueCounters
  /** Milliseconds since the epoch at the first reading without it. */
  readonly since: number
}

/**
 * Milliseconds for which a backend that vanished is remembered at the least. The kernel keeps a removed destination with its totals
 * while connections hold it (15 minutes for idle ones of TCP) and two to three minutes more (IP_VS_DEST_TRASH_PERIOD), and takes it
 * out again when the same service gets the same destination: its totals go on then, and are not new.
 */
const MEMORY = 20 * 60_000

interface Watch {
  watched: WatchedTraffic
  /** Milliseconds since the epoch. */
  dueAt: number
  /** Undefined: it was not read yet. */
  last: { readonly at: number; readonly counted: Counted } | undefined
}

const NOTHING_COUNTED: Counted = { service: undefined, backends: new Map(), vanished: new Map() }

/**
 * What services have done since the reading before, out of the kernel's totals. The first reading only says where counting begins; what was
 * not there then and is there later counts in full, and so does what was re-created or zeroed. A backend that the kernel kept and takes out
 * again counts on.
 */
export class TrafficDeltas {
  readonly #watches = new Map<ServiceKey, Watch>()

  /** Sets what is watched from now on. Services that stay keep their count; the others begin with the next reading. */
  follow(watched: ReadonlyMap<ServiceKey, WatchedTraffic>, now: number): void {
    for (const key of this.#watches.keys()) if (!watched.has(key)) this.#watches.delete(key)
    for (const [key, each] of watched) {
      const known = this.#watches.get(key)
      if (known === undefined) this.#watches.set(key, { watched: each, dueAt: now, last: undefined })
      else {
        if (known.watched.log.interval !== each.log.interval) known.dueAt = next(now, each.log.interval)
        known.watched = each
      }
    }
  }

  /** When the table is to be read next; at once where something was never read. Undefined: nothing is watched. */
  dueAt(now: number): number | undefined {
    let first: number | undefined
    for (const { dueAt, last } of this.#watches.values()) first = Math.min(first ?? Number.POSITIVE_INFINITY, last ? dueAt : now)
    return first
  }

  /** The lines that a reading of the whole table is good for: those of services whose time has come. Others get their turn in between. */
  async *take(table: IpvsTable, now: number): AsyncGenerator<TrafficLine> {
    const pace = new Pace()
    for (const [key, watch] of this.#watches) {
      const { last, watched } = watch
      if (last !== undefined && now < watch.dueAt) continue
      const reading = table.get(key)
      const counted = reading === undefined ? NOTHING_COUNTED : await countedOf(last?.counted, reading, { now, pace })
      watch.last = { at: now, counted }
      watch.dueAt = next(now, watched.log.interval)
      if (last === undefined || reading === undefined) continue
      for (const line of linesOf(watched, reading, { before: last.counted, counted, took: now - last.at })) {
        yield line
        if (pace.due()) await pace.rest()
      }
    }
  }
}

/** Whole multiples of the interval: services with the same one, or with multiples of it, share a reading. */
function next(now: number, interval: number): number {
  return (Math.floor(now / interval) + 1) * interval
}

async function countedOf(
  last: Counted = NOTHING_COUNTED,
  { counters, destinations }: ServiceReading,
  { now, pace }: { readonly now: number; readonly pace: Pace },
): Promise<Counted> {
  const backends = new Map<DestinationKey, TrueCounters>()
  for (const [key, each] of destinations) {
    if (each.counters !== undefined) backends.set(key, countOn(lastOf(last, key), each.counters))
    if (pace.due()) await pace.rest()
  }
  const vanished = new Map<DestinationKey, Vanished>()
  for (const [key, counters] of last.backends) if (!backends.has(key)) vanished.set(key, { counters, since: now })
  for (const [key, each] of last.vanished) if (!backends.has(key) && now - each.since < MEMORY) vanished.set(key, each)
  return { service: counters && countOn(last.service, counters), backends, vanished }
}

function lastOf({ backends, vanished }: Counted, backend: DestinationKey): TrueCounters | undefined {
  return backends.get(backend) ?? vanished.get(backend)?.counters
}

interface Between {
  readonly before: Counted
  readonly counted: Counted
  /** Milliseconds. */
  readonly took: number
}

function* linesOf(
  { name, identity, log }: WatchedTraffic,
  { destinations }: ServiceReading,
  between: Between,
): Generator<TrafficLine> {
  const { before, counted, took } = between
  const labels = serviceLabels(name, identity)
  const readings = [...destinations.values()]
  const all = {
    active: readings.reduce((sum, { connections }) => sum + connections.active, 0),
    inactive: readings.reduce((sum, { connections }) => sum + connections.inactive, 0),
  }
  const whole = difference(before.service, counted.service)
  if (log.idle || !isNothing(whole)) yield { ...labels, ...numbers(whole, all, took) }
  if (!log.backends) return
  for (const [backend, { connections }] of destinations) {
    const own = difference(lastOf(before, backend), counted.backends.get(backend))
    if (log.idle || !isNothing(own)) yield { ...labels, backend, ...numbers(own, connections, took) }
  }
}

function difference(before: TrueCounters | undefined, after: TrueCounters | undefined): TrafficCounters {
  const from = before === undefined ? NONE : totals(before)
  const to = after === undefined ? from : totals(after)
  return {
    connections: to.connections - from.connections,
    packetsIn: to.packetsIn - from.packetsIn,
    packetsOut: to.packetsOut - from.packetsOut,
    bytesIn: to.bytesIn - from.bytesIn,
    bytesOut: to.bytesOut - from.bytesOut,
  }
}

const NONE: TrafficCounters = { connections: 0n, packetsIn: 0n, packetsOut: 0n, bytesIn: 0n, bytesOut: 0n }

function isNothing({ connections, packetsIn, packetsOut }: TrafficCounters): boolean {
  return connections === 0n && packetsIn === 0n && packetsOut === 0n
}

function numbers(
  counters: TrafficCounters,
  { active, inactive }: Pick<ConnectionCounts, 'active' | 'inactive'>,
  took: number,
): Omit<TrafficLine, 'service' | 'vip' | 'protocol' | 'backend'> {
  return {
    seconds: Math.round(took) / 1000,
    ...trafficReport(counters),
    active,
    inactive,
  }
}
