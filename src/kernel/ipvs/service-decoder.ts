import type { DestinationKey } from '../../model/destination.ts'
import type { DestinationReading, ServiceReading, TrafficCounters } from '../../model/ipvs-table.ts'
import { type ServiceKey, serviceFamily, serviceKey, type VirtualService } from '../../model/virtual-service.ts'
import { AttributeCursor } from '../netlink/attribute-cursor.ts'
import { GENERIC_HEADER } from '../netlink/constants.ts'
import { MessageCursor } from '../netlink/message-cursor.ts'
import { protocolError } from '../netlink/protocol-error.ts'
import type { Pace } from '../pace.ts'
import { ATTR } from './constants.ts'
import { emptyRawDestination, readDestination } from './destination-codec.ts'
import { KnownDestinations } from './known-destinations.ts'
import { type DecodedService, decodeService } from './service-codec.ts'

/** A service and the objects that later reads of it will recognise. */
export interface KnownService {
  readonly key: ServiceKey
  readonly reading: ServiceReading
  readonly destinations: KnownDestinations
}

/** Steps onto the nest of type `type` that a message holds. */
function stepToNest(attributes: AttributeCursor, message: MessageCursor, type: number): void {
  attributes.over(message.body + GENERIC_HEADER, message.end)
  while (attributes.next()) if (attributes.type === type) return
  throw protocolError(`a message lacks its attribute ${type}`)
}

/** Raw messages of one service, as ServiceBytes holds them, the service first, its destinations behind it. */
export interface RawService {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
}

/** What the first message of `raw` says; undefined for a service that the model has no word for. */
export function decodeServiceMessage({ bytes, start, end }: RawService, statistics: boolean): DecodedService | undefined {
  const cursor = new MessageCursor(bytes, start, end)
  if (!cursor.next()) throw protocolError('a service has no message')
  const attributes = new AttributeCursor(bytes)
  stepToNest(attributes, cursor, ATTR.service)
  return decodeService(bytes, attributes.start, attributes.start + attributes.length, statistics)
}

/** The destinations of `raw`, each once: a dump that others disturb repeats some, and the last word counts. */
export async function decodeDestinations(
  { bytes, start, end }: RawService,
  service: VirtualService,
  known: KnownDestinations,
  options: { readonly statistics: boolean; readonly pace: Pace },
): Promise<Map<DestinationKey, DestinationReading>> {
  const cursor = new MessageCursor(bytes, start, end)
  const attributes = new AttributeCursor(bytes)
  const context = { serviceFamily: serviceFamily(service.identity), statistics: options.statistics }
  const raw = emptyRawDestination()
  const readings = new Map<DestinationKey, DestinationReading>()
  cursor.next()
  while (cursor.next()) {
    stepToNest(attributes, cursor, ATTR.dest)
    readDestination(attributes, attributes.start, attributes.start + attributes.length, raw, context)
    const { key, reading } = known.recognise(bytes, raw)
    readings.set(key, reading)
    if (options.pace.due()) await options.pace.rest()
  }
  return readings
}

/** Makes a service of what was decoded, keeping the objects of whatever stayed as it is in `known`. */
export async function decodeKnownService(
  raw: RawService,
  decoded: DecodedService,
  known: ReadonlyMap<ServiceKey, KnownService>,
  options: { readonly statistics: boolean; readonly pace: Pace },
): Promise<KnownService> {
  const key = serviceKey(decoded.service.identity)
  const before = known.get(key)
  const destinations = before?.destinations ?? new KnownDestinations()
  const service =
    before !== undefined && sameService(before.reading.service, decoded.service) ? before.reading.service : decoded.service
  const readings = await decodeDestinations(raw, service, destinations, options)
  return { key: before?.key ?? key, reading: serviceReading(service, readings, decoded.counters), destinations }
}

function serviceReading(
  service: VirtualService,
  destinations: ReadonlyMap<DestinationKey, DestinationReading>,
  counters: TrafficCounters | undefined,
): ServiceReading {
  return counters === undefined ? { service, destinations } : { service, destinations, counters }
}

/** Whether two services with the same identity are configured alike. */
function sameService(a: VirtualService, b: VirtualService): boolean {
  return (
    a.scheduler === b.scheduler &&
    a.onePacket === b.onePacket &&
    a.flags.flag1 === b.flags.flag1 &&
    a.flags.flag2 === b.flags.flag2 &&
    a.flags.flag3 === b.flags.flag3 &&
    a.persistence?.timeout === b.persistence?.timeout &&
    a.persistence?.mask === b.persistence?.mask &&
    a.persistence?.engine === b.persistence?.engine
  )
}
