import { AF_NETLINK, LITTLE_ENDIAN, RawSocket, SOCK_RAW, SystemCallError } from '../libc.ts'
import { LARGEST_DATAGRAM, receiveWaiting } from '../netlink/exchange.ts'
import { MessageCursor } from '../netlink/message-cursor.ts'
import { enlargeReceiveBuffer } from '../netlink/netlink-socket.ts'
import type { RouteEvent } from '../route-kernel.ts'
import { readInterfaceAddress } from './address-codec.ts'
import {
  NETLINK_ROUTE,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_NEWLINK,
  RTMGRP_IPV4_IFADDR,
  RTMGRP_IPV6_IFADDR,
  RTMGRP_LINK,
} from './constants.ts'
import { readLink } from './link-codec.ts'

/** Datagrams that are read in one turn; what is left is announced again. */
const DATAGRAMS_AT_ONCE = 64

/** A socket that is a member of the groups of links and addresses. */
export type EventSource = Pick<RawSocket, 'receive' | 'onReadable'> & Disposable

/** Listens to what the kernel says about links and addresses (RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR). */
export function openEventSource(): EventSource {
  const socket = new RawSocket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)
  try {
    // Thousands of addresses of our own may be told of in one turn.
    enlargeReceiveBuffer(socket)
    socket.bind(groupAddress(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))
    return socket
  } catch (error) {
    socket[Symbol.dispose]()
    throw error
  }
}

/** Gives what comes from a source to a listener until it is disposed of. It keeps no process alive. */
export class RouteEvents implements Disposable {
  readonly #source: EventSource
  readonly #listener: (event: RouteEvent) => void
  readonly #buffer = Buffer.allocUnsafe(LARGEST_DATAGRAM)
  readonly #poll: Disposable

  constructor(listener: (event: RouteEvent) => void, source = openEventSource()) {
    this.#source = source
    this.#listener = listener
    this.#poll = source.onReadable(() => this.#hear())
  }

  [Symbol.dispose](): void {
    this.#poll[Symbol.dispose]()
    this.#source[Symbol.dispose]()
  }

  #hear(): void {
    for (let count = 0; count < DATAGRAMS_AT_ONCE; count++) {
      const events = this.#next()
      if (events === undefined) return
      for (const event of events) this.#listener(event)
    }
  }

  /** Undefined when nothing is waiting. What cannot be read, or was dropped by the kernel (ENOBUFS), is lost. */
  #next(): RouteEvent[] | undefined {
    try {
      const length = receiveWaiting(this.#source, this.#buffer)
      return length === undefined ? undefined : readEvents(this.#buffer.subarray(0, length))
    } catch (error) {
      if (error instanceof SystemCallError && error.errno !== 'ENOBUFS') return undefined
      return [{ kind: 'lost' }]
    }
  }
}

/** What the messages of a datagram say. Throws NETLINK_PROTOCOL. */
export function readEvents(datagram: Uint8Array): RouteEvent[] {
  const events: RouteEvent[] = []
  const message = new MessageCursor(datagram)
  while (message.next()) {
    const event = eventOf(message)
    if (event !== undefined) events.push(event)
  }
  return events
}

function eventOf(message: MessageCursor): RouteEvent | undefined {
  if (message.type === RTM_DELADDR) {
    const gone = readInterfaceAddress(message)
    return gone && { kind: 'address-gone', link: gone.link, address: gone.address }
  }
  if (message.type === RTM_NEWLINK) {
    const { index, name, up, carrier } = readLink(message)
    return { kind: 'link', index, name, up, carrier }
  }
  if (message.type === RTM_DELLINK) {
    const { index, name } = readLink(message)
    return { kind: 'link-gone', index, name }
  }
  return undefined
}

/** `struct sockaddr_nl`: family, padding, any port id, groups. */
function groupAddress(groups: number): Uint8Array {
  const bytes = new Uint8Array(12)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, AF_NETLINK, LITTLE_ENDIAN)
  view.setUint32(8, groups, LITTLE_ENDIAN)
  return bytes
}
