import { familyOf, type IpAddress } from '../../model/address.ts'
import { AF_INET, AF_INET6, addressFamilyNumber, LITTLE_ENDIAN } from '../libc.ts'
import { AttributeCursor } from '../netlink/attribute-cursor.ts'
import { ATTRIBUTE_HEADER, NLM_F_DUMP } from '../netlink/constants.ts'
import type { MessageCursor } from '../netlink/message-cursor.ts'
import type { MessageWriter } from '../netlink/message-writer.ts'
import { protocolError } from '../netlink/protocol-error.ts'
import type { AddressOnLink, InterfaceAddress, NewAddress } from '../route-kernel.ts'
import {
  ADDRESS_HEADER,
  IFA_ADDRESS,
  IFA_CACHEINFO,
  IFA_F_DEPRECATED,
  IFA_F_NODAD,
  IFA_FLAGS,
  IFA_LABEL,
  IFA_LOCAL,
  INFINITE_LIFETIME,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_NEWADDR,
} from './constants.ts'
import { routeRequest } from './request.ts'

/** The addresses of both families (family 0, AF_UNSPEC). */
export function addressDump(): Uint8Array {
  return routeRequest(RTM_GETADDR, NLM_F_DUMP, ADDRESS_HEADER, () => undefined)
}

/** As /32 or /128; an IPv6 address `nodad` and deprecated. */
export function addressAddition({ label, ...at }: NewAddress): Uint8Array {
  return routeRequest(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ADDRESS_HEADER, fixedPart(at), (writer) => {
    writeAddresses(writer, at.address)
    writeLabel(writer, at.address, label)
    if (familyOf(at.address) === 'ipv6') writeDeprecation(writer)
  })
}

/** Lifetimes of an IPv6 address that is there. */
export function addressDeprecation(at: AddressOnLink): Uint8Array {
  return routeRequest(RTM_NEWADDR, NLM_F_REPLACE, ADDRESS_HEADER, fixedPart(at), (writer) => {
    writeAddresses(writer, at.address)
    writeDeprecation(writer)
  })
}

/** The kernel compares the label of an IPv4 address, where one is given. */
export function addressDeletion({ label, ...at }: NewAddress): Uint8Array {
  return routeRequest(RTM_DELADDR, 0, ADDRESS_HEADER, fixedPart(at), (writer) => {
    writeAddresses(writer, at.address)
    writeLabel(writer, at.address, label)
  })
}

/** The address that an RTM_NEWADDR or RTM_DELADDR speaks of; undefined for one of another family. Throws NETLINK_PROTOCOL. */
export function readInterfaceAddress({ bytes, body, end }: MessageCursor): InterfaceAddress | undefined {
  if (end - body < ADDRESS_HEADER) throw protocolError('an address is cut short')
  const view = new DataView(bytes.buffer, bytes.byteOffset + body, ADDRESS_HEADER)
  const family = view.getUint8(0)
  if (family !== AF_INET && family !== AF_INET6) return undefined
  const length = family === AF_INET ? 4 : 16
  const attribute = new AttributeCursor(bytes)
  attribute.over(body + ADDRESS_HEADER, end)
  let [far, local]: (IpAddress | undefined)[] = []
  let label: string | undefined
  let flags = view.getUint8(2)
  while (attribute.next()) {
    if (attribute.type === IFA_ADDRESS) far = attribute.address(length)
    else if (attribute.type === IFA_LOCAL) local = attribute.address(length)
    else if (attribute.type === IFA_LABEL) label = attribute.text()
    else if (attribute.type === IFA_FLAGS) flags = attribute.uint32()
  }
  // IPv6 has IFA_LOCAL only where there is a peer; on broadcast links IPv4 has the same address in both.
  const address = local ?? far
  if (address === undefined) throw protocolError('an interface address has no address')
  return {
    link: view.getUint32(4, LITTLE_ENDIAN),
    address,
    prefixLength: view.getUint8(1),
    deprecated: (flags & IFA_F_DEPRECATED) !== 0,
    ...(far !== undefined && far !== address && { peer: far }),
    ...(label !== undefined && { label }),
  }
}

function fixedPart({ link, address }: AddressOnLink): (view: DataView) => void {
  const family = familyOf(address)
  return (view) => {
    view.setUint8(0, addressFamilyNumber(family))
    view.setUint8(1, family === 'ipv4' ? 32 : 128)
    view.setUint32(4, link, LITTLE_ENDIAN)
  }
}

function writeAddresses(writer: MessageWriter, address: IpAddress): void {
  writer.address(IFA_LOCAL, address, familyOf(address))
  writer.address(IFA_ADDRESS, address, familyOf(address))
}

function writeLabel(writer: MessageWriter, address: IpAddress, label: string | undefined): void {
  if (label !== undefined && familyOf(address) === 'ipv4') writer.text(IFA_LABEL, label)
}

/** IFA_FLAGS, and `struct ifa_cacheinfo` (preferred and valid lifetime in seconds, then two times that the kernel fills). */
function writeDeprecation(writer: MessageWriter): void {
  writer.uint32(IFA_FLAGS, IFA_F_NODAD)
  const attribute = new Uint8Array(ATTRIBUTE_HEADER + 16)
  const view = new DataView(attribute.buffer)
  view.setUint16(0, attribute.length, LITTLE_ENDIAN)
  view.setUint16(2, IFA_CACHEINFO, LITTLE_ENDIAN)
  view.setUint32(ATTRIBUTE_HEADER + 4, INFINITE_LIFETIME, LITTLE_ENDIAN)
  writer.raw(attribute)
}
