import { AF_PACKET, LITTLE_ENDIAN, MSG_DONTWAIT, RawSocket, SOCK_DGRAM, SystemCallError } from '../libc.ts'

/** `struct sockaddr_ll`: family, protocol in network order, index of the link, three things that are not ours, length and bytes of the address. */
const ADDRESS = 20

/** What neighbour protocols send and hear on one Ethernet link: packets without their link header (packet(7), SOCK_DGRAM). */
export interface LinkSocket extends Disposable {
  /** False when the queue of the link is full: the packet is lost. Throws SystemCallError. */
  send(packet: Uint8Array, to: Uint8Array): boolean
  /** As RawSocket. */
  receive(into: Uint8Array): number | undefined
}

/** What a socket is opened for; without `listen` it hears nothing. */
export interface LinkSocketOptions {
  readonly link: number
  /** `linux/if_ether.h`: ETH_P_ARP, ETH_P_IPV6. */
  readonly protocol: number
  readonly listen: boolean
  /** As RawSocket.attachFilter. */
  readonly filter?: Uint8Array
}

/** Throws SystemCallError: EPERM without CAP_NET_RAW, ENODEV where there is no such link. */
export function openLinkSocket({ link, protocol, listen, filter }: LinkSocketOptions): LinkSocket {
  const socket = new RawSocket(AF_PACKET, SOCK_DGRAM, 0)
  try {
    // The filter comes first: without a protocol nothing is heard before the socket is bound.
    if (filter !== undefined) socket.attachFilter(filter)
    if (listen) socket.bind(linkAddress(link, protocol))
  } catch (error) {
    socket[Symbol.dispose]()
    throw error
  }
  return {
    send: (packet, to) => sent(socket, packet, linkAddress(link, protocol, to)),
    receive: (into) => socket.receive(into),
    [Symbol.dispose]: () => socket[Symbol.dispose](),
  }
}

function sent(socket: RawSocket, packet: Uint8Array, address: Uint8Array): boolean {
  try {
    socket.sendTo(packet, address, MSG_DONTWAIT)
    return true
  } catch (error) {
    if (error instanceof SystemCallError && (error.errno === 'EAGAIN' || error.errno === 'ENOBUFS')) return false
    throw error
  }
}

function linkAddress(link: number, protocol: number, to?: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(ADDRESS)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, AF_PACKET, LITTLE_ENDIAN)
  view.setUint16(2, protocol)
  view.setInt32(4, link, LITTLE_ENDIAN)
  if (to === undefined) return bytes
  view.setUint8(11, to.length)
  bytes.set(to, 12)
  return bytes
}
