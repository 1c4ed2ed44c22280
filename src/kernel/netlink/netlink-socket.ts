import { AF_NETLINK, LITTLE_ENDIAN, RawSocket, SOCK_RAW, SOL_SOCKET, SystemCallError } from '../libc.ts'
import { NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GENERIC, SOL_NETLINK } from './constants.ts'
import type { NetlinkTransport } from './transport.ts'

const SO_RCVBUF = 8
const SO_RCVBUFFORCE = 33
/** Room for the refusals of a whole batch many times over: 64 messages need about 64 KiB of the kernel's memory. */
const RECEIVE_BUFFER = 4 * 1024 * 1024

/** `struct sockaddr_nl` of the kernel itself (port id 0), and of "any port id" when binding: family, then zeros. */
const KERNEL_ADDRESS = Uint8Array.of(AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

/** Opens a netlink socket, a generic one by default, in the calling thread's network namespace. */
export function openNetlinkSocket(protocol = NETLINK_GENERIC): NetlinkTransport {
  const socket = new RawSocket(AF_NETLINK, SOCK_RAW, protocol)
  try {
    socket.bind(KERNEL_ADDRESS)
    enlargeReceiveBuffer(socket)
    // Refusals carry the header of the request alone, not the whole of it, and the kernel's own words.
    socket.setOption(SOL_NETLINK, NETLINK_CAP_ACK, 1)
    socket.setOption(SOL_NETLINK, NETLINK_EXT_ACK, 1)
  } catch (error) {
    socket[Symbol.dispose]()
    throw error
  }
  return {
    send: (bytes) => socket.sendTo(bytes, KERNEL_ADDRESS),
    receive: (into) => socket.receive(into),
    [Symbol.dispose]: () => socket[Symbol.dispose](),
  }
}

/** A socket that hears what the kernel tells the members of its multicast groups. */
export type GroupSocket = Pick<RawSocket, 'receive' | 'onReadable'> & Disposable

/** Opens one, in the calling thread's network namespace. `groups` has a bit for each: group 1 is bit 0. Throws SystemCallError. */
export function openGroupSocket(protocol: number, groups: number): GroupSocket {
  const socket = new RawSocket(AF_NETLINK, SOCK_RAW, protocol)
  try {
    // Thousands of messages may come of one transaction, or of one turn, of our own.
    enlargeReceiveBuffer(socket)
    socket.bind(groupAddress(groups))
    return socket
  } catch (error) {
    socket[Symbol.dispose]()
    throw error
  }
}

/** `struct sockaddr_nl`: family, padding, any port id, groups. */
function groupAddress(groups: number): Uint8Array {
  const bytes = new Uint8Array(12)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, AF_NETLINK, LITTLE_ENDIAN)
  view.setUint32(8, groups, LITTLE_ENDIAN)
  return bytes
}

/** Past the system's limit where CAP_NET_ADMIN allows it, up to the limit elsewhere. */
function enlargeReceiveBuffer(socket: RawSocket): void {
  try {
    socket.setOption(SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error
    socket.setOption(SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER)
  }
}
