import { familyOf, type IpAddress } from '../../model/address.ts'
import { addressFamilyNumber, LITTLE_ENDIAN } from '../libc.ts'
import { AttributeCursor } from '../netlink/attribute-cursor.ts'
import { exchange, LARGEST_DATAGRAM } from '../netlink/exchange.ts'
import type { MessageCursor } from '../netlink/message-cursor.ts'
import { openNetlinkSocket } from '../netlink/netlink-socket.ts'
import { protocolError } from '../netlink/protocol-error.ts'
import type { NetlinkTransport } from '../netlink/transport.ts'
import { LINK_HEADER, NETLINK_ROUTE, RTM_GETLINK, RTM_NEWLINK } from './constants.ts'
import { readLink } from './link-codec.ts'
import { routeRequest } from './request.ts'

/** Numbers of `linux/rtnetlink.h`. */
const RTM_NEWROUTE = 24
const RTM_GETROUTE = 26
const RTA_DST = 1
const RTA_OIF = 4
/** `struct rtmsg`. */
const ROUTE_HEADER = 12

/**
 * Name of the interface by which packets to an address leave this host, as `ip route get` has it; undefined where no way leads there.
 * Throws SystemCallError and NETLINK_PROTOCOL.
 */
export function linkTowards(
  address: IpAddress,
  open: () => NetlinkTransport = () => openNetlinkSocket(NETLINK_ROUTE),
): string | undefined {
  using transport = open()
  const buffer = Buffer.alloc(LARGEST_DATAGRAM)
  let index: number | undefined
  const attribute = new AttributeCursor(buffer)
  const none = exchange(transport, routeQuestion(address), buffer, (message) => {
    if (message.type === RTM_NEWROUTE) index = outputOf(message, attribute)
  })
  if (none !== undefined || index === undefined) return undefined
  let name: string | undefined
  exchange(transport, linkQuestion(index), buffer, (message) => {
    if (message.type === RTM_NEWLINK) name = readLink(message).name
  })
  return name
}

function routeQuestion(address: IpAddress): Uint8Array {
  const family = familyOf(address)
  const fill = (view: DataView) => {
    view.setUint8(0, addressFamilyNumber(family))
    view.setUint8(1, family === 'ipv4' ? 32 : 128)
  }
  return routeRequest(RTM_GETROUTE, 0, ROUTE_HEADER, fill, (writer) => writer.address(RTA_DST, address, family))
}

function linkQuestion(index: number): Uint8Array {
  return routeRequest(RTM_GETLINK, 0, LINK_HEADER, (view) => view.setInt32(4, index, LITTLE_ENDIAN))
}

function outputOf({ body, end }: MessageCursor, attribute: AttributeCursor): number | undefined {
  if (end - body < ROUTE_HEADER) throw protocolError('a route is cut short')
  attribute.over(body + ROUTE_HEADER, end)
  while (attribute.next()) if (attribute.type === RTA_OIF) return attribute.uint32()
  return undefined
}
