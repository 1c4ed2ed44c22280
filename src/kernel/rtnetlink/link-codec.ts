import { LITTLE_ENDIAN } from '../libc.ts'
import { AttributeCursor } from '../netlink/attribute-cursor.ts'
import { NLM_F_DUMP } from '../netlink/constants.ts'
import type { MessageCursor } from '../netlink/message-cursor.ts'
import { protocolError } from '../netlink/protocol-error.ts'
import type { NetworkLink } from '../route-kernel.ts'
import {
  ARPHRD_ETHER,
  IFF_LOOPBACK,
  IFF_LOWER_UP,
  IFF_NOARP,
  IFF_UP,
  IFLA_ADDRESS,
  IFLA_EXT_MASK,
  IFLA_IFNAME,
  IFLA_INFO_KIND,
  IFLA_LINKINFO,
  IFLA_MTU,
  LINK_HEADER,
  NLM_F_CREATE,
  NLM_F_EXCL,
  RTEXT_FILTER_SKIP_STATS,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
} from './constants.ts'
import { routeRequest } from './request.ts'

/** All links, without their counters. */
export function linkDump(): Uint8Array {
  const none = () => undefined
  return routeRequest(RTM_GETLINK, NLM_F_DUMP, LINK_HEADER, none, (writer) =>
    writer.uint32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS),
  )
}

/** A link of the kind `dummy` that is switched on in the same step. */
export function dummyRequest(name: string): Uint8Array {
  return routeRequest(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, LINK_HEADER, switchedOn(0), (writer) => {
    writer.text(IFLA_IFNAME, name)
    const info = writer.beginNest(IFLA_LINKINFO)
    writer.text(IFLA_INFO_KIND, 'dummy')
    writer.endNest(info)
  })
}

export function switchOnRequest(index: number): Uint8Array {
  return routeRequest(RTM_NEWLINK, 0, LINK_HEADER, switchedOn(index))
}

export function linkDeletion(index: number): Uint8Array {
  return routeRequest(RTM_DELLINK, 0, LINK_HEADER, (view) => view.setInt32(4, index, LITTLE_ENDIAN))
}

/** The link that an RTM_NEWLINK or RTM_DELLINK speaks of. Throws NETLINK_PROTOCOL. */
export function readLink({ bytes, body, end }: MessageCursor): NetworkLink {
  if (end - body < LINK_HEADER) throw protocolError('a link is cut short')
  const view = new DataView(bytes.buffer, bytes.byteOffset + body, LINK_HEADER)
  const flags = view.getUint32(8, LITTLE_ENDIAN)
  const ethernet = view.getUint16(2, LITTLE_ENDIAN) === ARPHRD_ETHER && (flags & (IFF_LOOPBACK | IFF_NOARP)) === 0
  const attribute = new AttributeCursor(bytes)
  attribute.over(body + LINK_HEADER, end)
  let name = ''
  let hardware: string | undefined
  let kind: string | undefined
  let mtu: number | undefined
  while (attribute.next()) {
    if (attribute.type === IFLA_IFNAME) name = attribute.text()
    else if (attribute.type === IFLA_ADDRESS && attribute.length === 6) hardware = hardwareText(attribute.value())
    else if (attribute.type === IFLA_MTU && attribute.length === 4) mtu = attribute.uint32()
    else if (attribute.type === IFLA_LINKINFO) kind = kindOf(bytes, attribute)
  }
  return {
    name,
    index: view.getInt32(4, LITTLE_ENDIAN),
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    ...(mtu !== undefined && { mtu }),
    ...(kind !== undefined && { kind }),
    ...(ethernet && hardware !== undefined && { neighbourAddress: hardware }),
  }
}

/** `02:00:00:00:00:01` */
export function hardwareText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':')
}

function switchedOn(index: number): (view: DataView) => void {
  return (view) => {
    view.setInt32(4, index, LITTLE_ENDIAN)
    view.setUint32(8, IFF_UP, LITTLE_ENDIAN)
    view.setUint32(12, IFF_UP, LITTLE_ENDIAN)
  }
}

function kindOf(bytes: Uint8Array, { start, length }: AttributeCursor): string | undefined {
  const inner = new AttributeCursor(bytes)
  inner.over(start, start + length)
  while (inner.next()) if (inner.type === IFLA_INFO_KIND) return inner.text()
  return undefined
}
