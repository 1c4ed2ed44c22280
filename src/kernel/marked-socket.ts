import type { AddressFamily, IpAddress } from '../model/address.ts'
import { addressFamilyNumber, LITTLE_ENDIAN, RawSocket, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET } from './libc.ts'
import { writeAddress } from './netlink/address-bytes.ts'

/** Numbers of `asm-generic/socket.h` and `linux/in.h`. */
const SO_MARK = 36
const IPPROTO_IP = 0
const IP_BIND_ADDRESS_NO_PORT = 24

export interface MarkedSocketOptions {
  readonly transport: 'tcp' | 'udp'
  readonly family: AddressFamily
  /** Mark of every packet that is sent (socket(7), SO_MARK), 1–4294967295. */
  readonly mark: number
  /** Address of this host that the socket is bound to, of the same family; absent: that of the route. */
  readonly sourceAddress?: IpAddress
}

/**
 * Makes a socket that carries a firewall mark and is not connected yet, and gives its descriptor to the caller. Throws
 * SystemCallError: EPERM without CAP_NET_ADMIN, EADDRNOTAVAIL where no interface has the source address, EMFILE. Nothing is left
 * open then.
 */
export function openMarkedSocket({ transport, family, mark, sourceAddress }: MarkedSocketOptions): number {
  using socket = new RawSocket(addressFamilyNumber(family), transport === 'tcp' ? SOCK_STREAM : SOCK_DGRAM, 0)
  prepareMarked(socket, { transport, family, mark, sourceAddress })
  return socket.release()
}

type Prepared = Pick<MarkedSocketOptions, 'transport' | 'family'> & {
  readonly mark: number | undefined
  readonly sourceAddress: IpAddress | undefined
}

/** Marks and binds a socket as far as that is asked for. Throws SystemCallError. */
export function prepareMarked(socket: RawSocket, { transport, family, mark, sourceAddress }: Prepared): void {
  // The kernel takes 32 bits; as a signed number they are the same.
  if (mark !== undefined) socket.setOption(SOL_SOCKET, SO_MARK, mark | 0)
  if (sourceAddress === undefined) return
  // The port is chosen with the connection: one after the other, so that none comes again while IPVS remembers its last one.
  if (transport === 'tcp') socket.setOption(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
  socket.bind(socketAddress(family, sourceAddress, 0))
}

/** `struct sockaddr_in` or `sockaddr_in6`, which the next one of its family overwrites: the kernel has read it when a call returns. */
export function socketAddress(family: AddressFamily, address: IpAddress, port: number): Uint8Array {
  const { bytes, view, at } = family === 'ipv4' ? SOCKADDR_IN : SOCKADDR_IN6
  view.setUint16(2, port)
  bytes.fill(0, at)
  writeAddress(bytes, at, address)
  return bytes
}

/** Made once: room of its own for each of thousands of probes a second would be the largest part of the garbage. */
const SOCKADDR_IN = addressRoom('ipv4', 16, 4)
const SOCKADDR_IN6 = addressRoom('ipv6', 28, 8)

function addressRoom(family: AddressFamily, length: number, at: number) {
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, addressFamilyNumber(family), LITTLE_ENDIAN)
  return { bytes, view, at }
}
