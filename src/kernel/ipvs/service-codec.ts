import { type AddressFamily, addressFromBytes } from '../../model/address.ts'
import type { TrafficCounters } from '../../model/ipvs-table.ts'
import {
  type Protocol,
  type ServiceIdentity,
  serviceFamily,
  singleClientMask,
  type VirtualService,
} from '../../model/virtual-service.ts'
import { AF_INET, AF_INET6, addressFamilyNumber } from '../libc.ts'
import { AttributeCursor } from '../netlink/attribute-cursor.ts'
import type { MessageWriter } from '../netlink/message-writer.ts'
import { protocolError } from '../netlink/protocol-error.ts'
import { ATTR, OWNED_SERVICE_FLAGS, PROTOCOL, SERVICE, SERVICE_FLAG } from './constants.ts'
import { decodeCounters } from './statistics-codec.ts'

/** A service as one message of the kernel gives it. */
export interface DecodedService {
  readonly service: VirtualService
  readonly counters?: TrafficCounters
}

/** The attributes that name a service, in the order in which the kernel itself writes them. */
export function encodeIdentity(writer: MessageWriter, identity: ServiceIdentity): void {
  writer.uint16(SERVICE.family, addressFamilyNumber(serviceFamily(identity)))
  if (identity.kind === 'fwmark') {
    writer.uint32(SERVICE.fwmark, identity.fwmark)
    return
  }
  writer.uint16(SERVICE.protocol, PROTOCOL[identity.protocol])
  writer.unionAddress(SERVICE.address, identity.address)
  writer.port(SERVICE.port, identity.port)
}

/** IPVS_CMD_ATTR_SERVICE with the name alone: what destination commands and queries need. */
export function encodeIdentityNest(writer: MessageWriter, identity: ServiceIdentity): void {
  const nest = writer.beginNest(ATTR.service)
  encodeIdentity(writer, identity)
  writer.endNest(nest)
}

/**
 * IPVS_CMD_ATTR_SERVICE with everything. The kernel takes scheduler, flags, timeout and netmask together or not at all,
 * and forgets the persistence engine when it is not repeated.
 */
export function encodeService(writer: MessageWriter, service: VirtualService): void {
  const nest = writer.beginNest(ATTR.service)
  encodeIdentity(writer, service.identity)
  writer.text(SERVICE.scheduler, service.scheduler)
  const { persistence } = service
  if (persistence?.engine !== undefined) writer.text(SERVICE.engine, persistence.engine)
  writer.flags(SERVICE.flags, flagBits(service), OWNED_SERVICE_FLAGS)
  writer.uint32(SERVICE.timeout, persistence?.timeout ?? 0)
  const family = serviceFamily(service.identity)
  const mask = persistence?.mask ?? singleClientMask(family)
  if (family === 'ipv4') writer.netmask(SERVICE.netmask, mask)
  else writer.uint32(SERVICE.netmask, mask)
  writer.endNest(nest)
}

function flagBits({ flags, onePacket, persistence }: VirtualService): number {
  return (
    (persistence ? SERVICE_FLAG.persistent : 0) |
    (onePacket ? SERVICE_FLAG.onePacket : 0) |
    (flags.flag1 ? SERVICE_FLAG.scheduler1 : 0) |
    (flags.flag2 ? SERVICE_FLAG.scheduler2 : 0) |
    (flags.flag3 ? SERVICE_FLAG.scheduler3 : 0)
  )
}

/**
 * Reads the attributes between `from` and `to` of a service nest. Undefined for a transport protocol that the model has no
 * word for: such a service cannot be ours, and nothing we send can reach it.
 */
export function decodeService(bytes: Uint8Array, from: number, to: number, statistics: boolean): DecodedService | undefined {
  const attributes = new AttributeCursor(bytes)
  const raw: RawService = {}
  attributes.over(from, to)
  while (attributes.next()) readServiceAttribute(attributes, raw, statistics)
  const { scheduler, flags, timeout } = raw
  const family = familyWord(raw.family)
  const identity = decodeIdentity(raw, family)
  if (identity === undefined) return undefined
  if (scheduler === undefined || flags === undefined || timeout === undefined || raw.netmask === undefined) {
    throw protocolError('a service lacks its scheduler, flags, timeout or netmask')
  }
  const mask = family === 'ipv4' ? raw.netmask.network : raw.netmask.host
  const persistence = Object.freeze({ timeout, mask, ...(raw.engine === undefined ? {} : { engine: raw.engine }) })
  const service: VirtualService = Object.freeze({
    identity,
    scheduler,
    flags: Object.freeze({
      flag1: (flags & SERVICE_FLAG.scheduler1) !== 0,
      flag2: (flags & SERVICE_FLAG.scheduler2) !== 0,
      flag3: (flags & SERVICE_FLAG.scheduler3) !== 0,
    }),
    onePacket: (flags & SERVICE_FLAG.onePacket) !== 0,
    ...((flags & SERVICE_FLAG.persistent) === 0 ? {} : { persistence }),
  })
  return { service, ...(raw.counters === undefined ? {} : { counters: raw.counters }) }
}

/** What a service nest held, before it makes sense as a whole. */
interface RawService {
  family?: number
  protocol?: number
  address?: Uint8Array
  port?: number
  fwmark?: number
  scheduler?: string
  engine?: string
  flags?: number
  timeout?: number
  /** Network order for IPv4, host order (a prefix length) for IPv6. */
  netmask?: { readonly host: number; readonly network: number }
  counters?: TrafficCounters
}

function readServiceAttribute(attributes: AttributeCursor, raw: RawService, statistics: boolean): void {
  switch (attributes.type) {
    case SERVICE.family:
      raw.family = attributes.uint16()
      break
    case SERVICE.protocol:
      raw.protocol = attributes.uint16()
      break
    case SERVICE.address:
      raw.address = attributes.value()
      break
    case SERVICE.port:
      raw.port = attributes.port()
      break
    case SERVICE.fwmark:
      raw.fwmark = attributes.uint32()
      break
    case SERVICE.scheduler:
      raw.scheduler = attributes.text()
      break
    case SERVICE.engine:
      raw.engine = attributes.text()
      break
    case SERVICE.flags:
      raw.flags = attributes.uint32()
      break
    case SERVICE.timeout:
      raw.timeout = attributes.uint32()
      break
    case SERVICE.netmask:
      raw.netmask = { host: attributes.uint32(), network: attributes.networkUint32() }
      break
    case SERVICE.stats64:
      if (statistics) raw.counters = decodeCounters(attributes)
      break
  }
}

function decodeIdentity({ fwmark, protocol, address, port }: RawService, family: AddressFamily): ServiceIdentity | undefined {
  if (fwmark !== undefined && fwmark !== 0) return Object.freeze({ kind: 'fwmark', fwmark, family })
  if (protocol === undefined || address === undefined || port === undefined) {
    throw protocolError('a service has neither a firewall mark nor protocol, address and port')
  }
  const length = family === 'ipv4' ? 4 : 16
  if (address.length < length) throw protocolError(`the address of a service has ${address.length} bytes`)
  const name = protocolName(protocol)
  if (name === undefined) return undefined
  return Object.freeze({ kind: 'address', protocol: name, address: addressFromBytes(address.subarray(0, length)), port })
}

function protocolName(number: number): Protocol | undefined {
  if (number === PROTOCOL.tcp) return 'tcp'
  if (number === PROTOCOL.udp) return 'udp'
  return number === PROTOCOL.sctp ? 'sctp' : undefined
}

function familyWord(number: number | undefined): AddressFamily {
  if (number === AF_INET) return 'ipv4'
  if (number === AF_INET6) return 'ipv6'
  throw protocolError(`a service has the address family ${number}`)
}
