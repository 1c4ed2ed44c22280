import { familyOf, type IpAddress, type Port } from '../model/address.ts'
import { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, Epoll } from './epoll.ts'
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

/** How often one socket is read before the others, and the timers, have their turn: a peer that never ends would keep them from it for good. */
const READS_AT_ONCE = 4

export interface StreamTarget {
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

/** Bits of a socket's number that say where it is among those that are open; the others tell it from those that were there before. */
const PLACE_BITS = 20
const PLACES = 2 ** PLACE_BITS

/** The open sockets by their numbers. In a Map they would live on as garbage (see checks.ts of the probes). */
class OpenSockets {
  readonly #sockets: (StreamSocket | undefined)[] = []
  readonly #free: number[] = []
  #round = 0
  size = 0

  add(socket: StreamSocket): number {
    const place = this.#free.pop() ?? this.#sockets.length
    this.#sockets[place] = socket
    this.size += 1
    this.#round = (this.#round + 1) % (2 ** 32 / PLACES)
    return this.#round * PLACES + place
  }

  get(number: number): StreamSocket | undefined {
    return this.#sockets[number % PLACES]
  }

  delete(number: number): void {
    const place = number % PLACES
    this.#sockets[place] = undefined
    this.#free.push(place)
    this.size -= 1
  }
}

const open = new OpenSockets()

/** Closes what all sockets of this thread have in common, once they are closed; the next one makes it anew. */
export function closeSockets(): void {
  epoll?.[Symbol.dispose]()
  epoll = undefined
}

/**
 * A TCP connection for whoever speaks first on it, or not at all: the last packet of the handshake goes with what is sent, or never (TCP_QUICKACK),
 * so that a peer that is only looked at has no connection to accept. It costs a fraction of a socket of Node's.
 */
export class StreamSocket {
  readonly #socket: RawSocket
  readonly #listener: StreamListener
  /** Undefined once it is closed. */
  #number: number | undefined
  #stands = false
  /** There was more to read when the others had their turn. */
  #readsOn = false
  #unsent: Uint8Array | undefined

  /** Begins to connect. Throws SystemCallError, and then leaves nothing open: EPERM for a mark without CAP_NET_ADMIN, EMFILE, ENETUNREACH, … */
  constructor({ address, port, sourceAddress, mark }: StreamTarget, listener: StreamListener) {
    const family = familyOf(address)
    this.#listener = listener
    const socket = new RawSocket(addressFamilyNumber(family), SOCK_STREAM | SOCK_NONBLOCK, 0)
    this.#socket = socket
    try {
      if (mark !== undefined || sourceAddress !== undefined)
        prepareMarked(socket, { transport: 'tcp', family, mark, sourceAddress })
      socket.setOptionBytes(IPPROTO_TCP, TCP_QUICKACK, NO)
      socket.beginConnect(socketAddress(family, address, port))
      epoll ??= new Epoll((number, events) => open.get(number)?.happened(number, events))
      if (open.size === 0) epoll.hold(true)
      this.#number = open.add(this)
      epoll.add(socket, EPOLLIN | EPOLLOUT | EPOLLET, this.#number)
    } catch (error) {
      this.#leave()
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
    if (!this.#leave()) return
    // No `using`: what it is translated to makes a list and an object each time.
    try {
      if (this.#stands) this.#socket.setOptionBytes(SOL_SOCKET, SO_LINGER, RESET)
    } finally {
      this.#socket[Symbol.dispose]()
    }
  }

  /** `number`: of the socket that it happened to, which may have been another one in the same place. */
  happened(number: number, events: number): void {
    if (number !== this.#number) return
    try {
      if (!this.#stands) this.#begin(events)
      if (this.#unsent !== undefined && (events & EPOLLOUT) !== 0 && this.#isOpen) this.send(this.#unsent)
      if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) !== 0 && this.#stands && !this.#readsOn) this.#receive()
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error
      if (this.#isOpen) this.#listener.failed(error)
    }
  }

  get #isOpen(): boolean {
    return this.#number !== undefined
  }

  #leave(): boolean {
    if (this.#number === undefined) return false
    open.delete(this.#number)
    this.#number = undefined
    if (open.size === 0) epoll?.hold(false)
    return true
  }

  #begin(events: number): void {
    const error = (events & (EPOLLERR | EPOLLHUP)) === 0 ? undefined : this.#socket.takeError()
    // A reset within the handshake is ECONNREFUSED. Behind it, however soon, it finds a connection that stood.
    if (error !== undefined && error.errno !== 'ECONNRESET') this.#listener.failed(error)
    else if ((events & EPOLLOUT) !== 0) {
      this.#stands = true
      this.#listener.connected()
    }
  }

  /** Each arrival is announced once: what has come is read to its end, if not all of it now. */
  #receive(): void {
    for (let reads = 0; reads < READS_AT_ONCE; reads++) {
      if (!this.#isOpen) return
      const length = this.#socket.read(INCOMING)
      if (length === undefined) return
      if (length > 0) this.#listener.received(INCOMING.subarray(0, length))
      else {
        this.#listener.ended()
        return
      }
    }
    this.#readOnLater(this.#number)
  }

  #readOnLater(number: number | undefined): void {
    if (number === undefined) return
    this.#readsOn = true
    setImmediate(() => {
      this.#readsOn = false
      this.happened(number, EPOLLIN)
    })
  }
}
