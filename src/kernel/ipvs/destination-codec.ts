import { type AddressFamily, familyOf } from '../../model/address.ts'
import type { Destination, Forwarding, UnknownForwarding } from '../../model/destination.ts'
import type { TrafficCounters } from '../../model/ipvs-table.ts'
import { AF_INET, AF_INET6, addressFamilyNumber } from '../libc.ts'
import { readAddress } from '../netlink/address-bytes.ts'
import type { AttributeCursor } from '../netlink/attribute-cursor.ts'
import type { MessageWriter } from '../netlink/message-writer.ts'
import { protocolError } from '../netlink/protocol-error.ts'
import { ATTR, DEST, FORWARDING, FORWARDING_MASK } from './constants.ts'
import { decodeCounters } from './statistics-codec.ts'
import { decodeTunnel, encodeTunnel, encodeUnknownTunnel } from './tunnel-codec.ts'

/** The attributes that name a destination; its own family may differ from the service's (tunnels). */
function encodeName(writer: MessageWriter, { address, port }: Pick<Destination, 'address' | 'port'>): void {
  writer.unionAddress(DEST.address, address)
  writer.port(DEST.port, port)
  writer.uint16(DEST.family, addressFamilyNumber(familyOf(address)))
}

/** IPVS_CMD_ATTR_DEST with the name alone, for deletion. */
export function encodeDestinationName(writer: MessageWriter, destination: Pick<Destination, 'address' | 'port'>): void {
  const nest = writer.beginNest(ATTR.dest)
  encodeName(writer, destination)
  writer.endNest(nest)
}

/** IPVS_CMD_ATTR_DEST with everything: an edit sets what is missing back to nothing, so nothing may be missing. */
export function encodeDestination(writer: MessageWriter, destination: Destination): void {
  const { forwarding } = destination
  const nest = writer.beginNest(ATTR.dest)
  encodeName(writer, destination)
  writer.uint32(DEST.forwarding, forwarding.method === 'unknown' ? forwarding.code : FORWARDING[forwarding.method])
  writer.uint32(DEST.weight, destination.weight)
  writer.uint32(DEST.upperThreshold, destination.upperThreshold)
  writer.uint32(DEST.lowerThreshold, destination.lowerThreshold)
  if (forwarding.method === 'tunnel') encodeTunnel(writer, forwarding.tunnel)
  else if (forwarding.method === 'unknown') encodeUnknownTunnel(writer, forwarding)
  writer.endNest(nest)
}

/**
 * A destination nest as numbers, before any object is made of it: 10,000 of them are read in one pass, and most are as
 * they were. `address` is where the address starts in the bytes.
 */
export interface RawDestination {
  seen: number
  address: number
  addressLength: number
  family: number
  port: number
  forwarding: number
  weight: number
  upperThreshold: number
  lowerThreshold: number
  active: number
  inactive: number
  persistent: number
  tunnelType: number
  tunnelPort: number
  tunnelFlags: number
  counters: TrafficCounters | undefined
}

/** Everything that has been in the kernel's answer since the family exists; tunnels and the family of the address came later. */
const REQUIRED = 0b11_1111_1110

export function emptyRawDestination(): RawDestination {
  return {
    seen: 0,
    address: 0,
    addressLength: 0,
    family: 0,
    port: 0,
    forwarding: 0,
    weight: 0,
    upperThreshold: 0,
    lowerThreshold: 0,
    active: 0,
    inactive: 0,
    persistent: 0,
    tunnelType: 0,
    tunnelPort: 0,
    tunnelFlags: 0,
    counters: undefined,
  }
}

/** Reads the nest between `from` and `to` into `raw`; unknown attributes are skipped. */
export function readDestination(
  attributes: AttributeCursor,
  from: number,
  to: number,
  raw: RawDestination,
  { serviceFamily, statistics }: { readonly serviceFamily: AddressFamily; readonly statistics: boolean },
): void {
  raw.seen = 0
  raw.family = addressFamilyNumber(serviceFamily)
  raw.tunnelType = 0
  raw.tunnelPort = 0
  raw.tunnelFlags = 0
  raw.counters = undefined
  attributes.over(from, to)
  while (attributes.next()) readDestinationAttribute(attributes, raw, statistics)
  if ((raw.seen & REQUIRED) !== REQUIRED) throw protocolError('a destination lacks one of its attributes')
  if (raw.family !== AF_INET && raw.family !== AF_INET6) throw protocolError(`a destination has the address family ${raw.family}`)
  if (raw.addressLength < rawAddressLength(raw))
    throw protocolError(`the address of a destination has ${raw.addressLength} bytes`)
}

export function rawAddressLength({ family }: RawDestination): 4 | 16 {
  return family === AF_INET ? 4 : 16
}

function readDestinationAttribute(attributes: AttributeCursor, raw: RawDestination, statistics: boolean): void {
  raw.seen |= 1 << attributes.type
  switch (attributes.type) {
    case DEST.address:
      raw.address = attributes.start
      raw.addressLength = attributes.length
      break
    case DEST.port:
      raw.port = attributes.port()
      break
    case DEST.forwarding:
      raw.forwarding = attributes.uint32() & FORWARDING_MASK
      break
    case DEST.weight:
      raw.weight = attributes.uint32()
      break
    case DEST.upperThreshold:
      raw.upperThreshold = attributes.uint32()
      break
    case DEST.lowerThreshold:
      raw.lowerThreshold = attributes.uint32()
      break
    case DEST.active:
      raw.active = attributes.uint32()
      break
    case DEST.inactive:
      raw.inactive = attributes.uint32()
      break
    case DEST.persistent:
      raw.persistent = attributes.uint32()
      break
    case DEST.family:
      raw.family = attributes.uint16()
      break
    case DEST.tunnelType:
      raw.tunnelType = attributes.uint8()
      break
    case DEST.tunnelPort:
      raw.tunnelPort = attributes.port()
      break
    case DEST.tunnelFlags:
      raw.tunnelFlags = attributes.uint16()
      break
    case DEST.stats64:
      if (statistics) raw.counters = decodeCounters(attributes)
      break
  }
}

/** The destination that `raw`, read from `bytes`, describes. */
export function destinationOf(bytes: Uint8Array, raw: RawDestination): Destination {
  return Object.freeze({
    address: readAddress(bytes, raw.address, rawAddressLength(raw)),
    port: raw.port,
    forwarding: forwardingOf(raw),
    weight: raw.weight,
    upperThreshold: raw.upperThreshold,
    lowerThreshold: raw.lowerThreshold,
  })
}

const NAT: Forwarding = Object.freeze({ method: 'nat' })
const DIRECT: Forwarding = Object.freeze({ method: 'direct' })
const LOCAL: Forwarding = Object.freeze({ method: 'local' })

function forwardingOf(raw: RawDestination): Destination['forwarding'] {
  switch (raw.forwarding) {
    case FORWARDING.nat:
      return NAT
    case FORWARDING.direct:
      return DIRECT
    case FORWARDING.local:
      return LOCAL
    case FORWARDING.tunnel: {
      const tunnel = decodeTunnel(raw.tunnelType, raw.tunnelPort, raw.tunnelFlags)
      return tunnel === undefined ? unknownForwarding(raw) : Object.freeze({ method: 'tunnel', tunnel })
    }
    default:
      return unknownForwarding(raw)
  }
}

function unknownForwarding({ forwarding, tunnelType, tunnelPort, tunnelFlags }: RawDestination): UnknownForwarding {
  return Object.freeze({ method: 'unknown', code: forwarding, tunnelType, tunnelPort, tunnelFlags })
}
