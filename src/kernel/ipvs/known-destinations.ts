import { type Destination, type DestinationKey, destinationKey } from '../../model/destination.ts'
import type { ConnectionCounts, DestinationReading, TrafficCounters } from '../../model/ipvs-table.ts'
import { destinationOf, type RawDestination, rawAddressLength } from './destination-codec.ts'

/** A destination with the numbers it was made from. */
interface KnownDestination {
  readonly key: DestinationKey
  readonly destination: Destination
  readonly forwarding: number
  readonly tunnelType: number
  readonly tunnelPort: number
  readonly tunnelFlags: number
  reading: DestinationReading
}

const NO_CONNECTIONS: ConnectionCounts = Object.freeze({ active: 0, inactive: 0, persistent: 0 })

/**
 * The destinations of one service by the bytes of their names. What did not change keeps its objects from read to read,
 * so that whoever compares may compare by identity, and an address is turned into text once only.
 */
export class KnownDestinations {
  readonly #byName = new Map<string | number, KnownDestination>()

  /** The entry for what `raw`, read from `bytes`, says: the old objects where it says the same, else new ones. */
  recognise(bytes: Buffer, raw: RawDestination): KnownDestination {
    const name = nameOf(bytes, raw)
    const before = this.#byName.get(name)
    if (before !== undefined && sameConfiguration(before, raw)) {
      if (!sameMeasurement(before.reading, raw)) before.reading = readingOf(before.destination, raw)
      return before
    }
    const destination = destinationOf(bytes, raw)
    const entry: KnownDestination = {
      key: before?.key ?? destinationKey(destination),
      destination,
      forwarding: raw.forwarding,
      tunnelType: raw.tunnelType,
      tunnelPort: raw.tunnelPort,
      tunnelFlags: raw.tunnelFlags,
      reading: readingOf(destination, raw),
    }
    this.#byName.set(name, entry)
    return entry
  }

  /** Forgets everything that is not among `keys`. */
  keepOnly(keys: ReadonlyMap<DestinationKey, unknown>): void {
    if (this.#byName.size === keys.size) return
    for (const [name, { key }] of this.#byName) if (!keys.has(key)) this.#byName.delete(name)
  }
}

/** IPv4 and port fit a number (48 bits), which costs less than a text of the bytes. */
function nameOf(bytes: Buffer, raw: RawDestination): string | number {
  const at = raw.address
  if (rawAddressLength(raw) === 4) return bytes.readUInt32BE(at) * 0x10000 + raw.port
  return `${bytes.toString('latin1', at, at + 16)}${raw.port}`
}

function sameConfiguration(known: KnownDestination, raw: RawDestination): boolean {
  const { destination } = known
  return (
    destination.weight === raw.weight &&
    known.forwarding === raw.forwarding &&
    destination.upperThreshold === raw.upperThreshold &&
    destination.lowerThreshold === raw.lowerThreshold &&
    known.tunnelType === raw.tunnelType &&
    known.tunnelPort === raw.tunnelPort &&
    known.tunnelFlags === raw.tunnelFlags
  )
}

function sameMeasurement({ connections, counters }: DestinationReading, raw: RawDestination): boolean {
  return (
    connections.active === raw.active &&
    connections.inactive === raw.inactive &&
    connections.persistent === raw.persistent &&
    sameCounters(counters, raw.counters)
  )
}

export function sameCounters(a: TrafficCounters | undefined, b: TrafficCounters | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return (
    a.connections === b.connections &&
    a.packetsIn === b.packetsIn &&
    a.packetsOut === b.packetsOut &&
    a.bytesIn === b.bytesIn &&
    a.bytesOut === b.bytesOut
  )
}

function readingOf(destination: Destination, { active, inactive, persistent, counters }: RawDestination): DestinationReading {
  const idle = active === 0 && inactive === 0 && persistent === 0
  const connections = idle ? NO_CONNECTIONS : { active, inactive, persistent }
  return counters === undefined ? { destination, connections } : { destination, connections, counters }
}
