import { SystemCallError } from '../libc.ts'
import { LARGEST_DATAGRAM, receiveWaiting } from '../netlink/exchange.ts'
import { MessageCursor } from '../netlink/message-cursor.ts'
import { type GroupSocket, openGroupSocket } from '../netlink/netlink-socket.ts'
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

/** Listens to what the kernel says about links and addresses (RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR). */
function openEventSource(): GroupSocket {
  return openGroupSocket(NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR)
}

/** Gives what comes from a source to a listener until it is disposed of. It keeps no process alive. */
export class RouteEvents implements Disposable {
  readonly #source: GroupSocket
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
