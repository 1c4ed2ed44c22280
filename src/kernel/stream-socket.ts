import type { AddressFamily, IpAddress, Port } from '../model/address.ts'
import { Epoll, EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT } from './epoll.ts'
import { addressFamilyNumber, LITTLE_ENDIAN, RawSocket, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET, SystemCallError } from './libc.ts'
import { prepareMarked, socketAddress } from './marked-socket.ts'

/** Numbers of `linux/in.h`, `linux/tcp.h` and `asm-generic/socket.h`. */
const IPPROTO_TCP = 6
const TCP_QUICKACK = 12
const SO_LINGER = 13

/** `struct linger`: whoever closes now resets. */
const RESET = new Uint8Array(8)
new DataView(RESET.buffer).setInt32(0, 1, LITTLE_ENDIAN)
const NO = new Uint8Array(4)

/** Where all sockets put what comes in; it is taken out before the next one does. */
const INCOMING = Buffer.allocUnsafeSlow(65_536)

export interface StreamTarget {
  readonly family: AddressFamily
  readonly address: IpAddress
  readonly port: Port
  /** Of the same family; absent: that of the route. */
  readonly sourceAddress?: IpAddress
  /** As MarkedSocketOptions has it; absent: none. */
  readonly mark?: number
}

/** Who is told what happens on a connection, from the event loop. Nothing is told once it is closed. */
export interface StreamListener {
  connected(): void
  /** What came in; it is overwritten when this returns. */
  received(bytes: Buffer): void
  /** The peer has ended its side. */
  ended(): void
  failed(error: SystemCallError): void
}

let epoll: Epoll | undefined
const open = new Map<number, StreamSocket>()
let lastNumber = 0

/**
 * A TCP connection for whoever speaks first on it, or not at all: the last packet of the handshake goes with what is sent, or never (TCP_QUICKACK),
 * so that a peer that is only looked at has no connection to accept. It costs a fraction of a socket of Node's.
 */
export class StreamSocket {
  readonly #socket: RawSocket
  readonly #listener: StreamListener
  readonly #number: number
  #stands = false
  #unsent: Uint8Array | undefined

  /** Begins to connect. Throws SystemCallError, and then leaves nothing open: EPERM for a mark without CAP_NET_ADMIN, EMFILE, ENETUNREACH, … */
  constructor({ family, address, port, sourceAddress, mark }: StreamTarget, listener: StreamListener) {
    this.#listener = listener
    this.#number = lastNumber = (lastNumber + 1) >>> 0
    const socket = new RawSocket(addressFamilyNumber(family), SOCK_STREAM | SOCK_NONBLOCK, 0)
    this.#socket = socket
    try {
      if (mark !== undefined || sourceAddress !== undefined) prepareMarked(socket, { transport: 'tcp', family, mark, sourceAddress })
      socket.setOptionBytes(IPPROTO_TCP, TCP_QUICKACK, NO)
      socket.beginConnect(socketAddress(family, address, port))
      epoll ??= new Epoll((number, events) => open.get(number)?.happened(events))
      epoll.add(socket, EPOLLIN | EPOLLOUT | EPOLLET, this.#number)
      if (open.size === 0) epoll.hold(true)
      open.set(this.#number, this)
    } catch (error) {
      socket[Symbol.dispose]()
      throw error
    }
  }

  /** Once it stands. */
  send(bytes: Uint8Array): void {
    const sent = this.#socket.send(bytes)
    this.#unsent = sent < bytes.length ? bytes.subarray(sent) : undefined
  }

  /** Closes it with a reset, so that no port waits behind (TIME_WAIT). Nothing happens where it is closed. */
  [Symbol.dispose](): void {
    if (!open.delete(this.#number)) return
    if (open.size === 0) epoll?.hold(false)
    using socket = this.#socket
    if (this.#stands) socket.setOptionBytes(SOL_SOCKET, SO_LINGER, RESET)
  }

  happened(events: number): void {
    try {
      if (!this.#stands) this.#begin(events)
      if (this.#unsent !== undefined && (events & EPOLLOUT) !== 0 && this.#isOpen) this.send(this.#unsent)
      if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) !== 0 && this.#stands) this.#receive()
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error
      if (this.#isOpen) this.#listener.failed(error)
    }
  }

  get #isOpen(): boolean {
    return open.has(this.#number)
  }

  #begin(events: number): void {
    const error = (events & (EPOLLERR | EPOLLHUP)) === 0 ? undefined : this.#socket.takeError()
    if (error !== undefined) return this.#listener.failed(error)
    if ((events & EPOLLOUT) === 0) return
    this.#stands = true
    this.#listener.connected()
  }

  /** Each arrival is announced once: what has come is read to its end. */
  #receive(): void {
    while (this.#isOpen) {
      const length = this.#socket.read(INCOMING)
      if (length === undefined) return
      if (length === 0) return this.#listener.ended()
      this.#listener.received(INCOMING.subarray(0, length))
    }
  }
}
