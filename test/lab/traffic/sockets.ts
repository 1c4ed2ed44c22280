/**
 * Sockets by system call. Node's own cost ten times as much per connection, which an emulated processor turns into tens of
 * milliseconds: too slow to prove anything with thousands of connections.
 */

import { isIPv6 } from 'node:net'
import { arch } from 'node:os'
import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
const call = {
  socket: libc.func('int socket(int domain, int type, int protocol)'),
  connect: libc.func('int connect(int fd, const void *address, uint32_t size)'),
  bind: libc.func('int bind(int fd, const void *address, uint32_t size)'),
  listen: libc.func('int listen(int fd, int backlog)'),
  accept: libc.func('int accept4(int fd, void *address, void *size, int flags)'),
  send: libc.func('long send(int fd, const void *data, size_t size, int flags)'),
  recv: libc.func('long recv(int fd, _Out_ void *data, size_t size, int flags)'),
  sendto: libc.func('long sendto(int fd, const void *data, size_t size, int flags, const void *address, uint32_t addressSize)'),
  recvfrom: libc.func('long recvfrom(int fd, _Out_ void *data, size_t size, int flags, _Out_ void *address, void *addressSize)'),
  close: libc.func('int close(int fd)'),
  setsockopt: libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t size)'),
  inetPton: libc.func('int inet_pton(int family, const char *text, _Out_ void *address)'),
  epollCreate: libc.func('int epoll_create1(int flags)'),
  epollCtl: libc.func('int epoll_ctl(int epoll, int operation, int fd, const void *event)'),
  epollWait: libc.func('int epoll_wait(int epoll, _Out_ void *events, int size, int timeout)'),
}

/** From the kernel's headers; the same on x86-64 and arm64. */
const SOCK_STREAM = 1
const SOCK_DGRAM = 2
const SOCK_NONBLOCK_CLOEXEC = 0o2004000
const AF_INET = 2
const AF_INET6 = 10
const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const IPPROTO_TCP = 6
const TCP_NODELAY = 1
const IPPROTO_SCTP = 132
const IPPROTO_IPV6 = 41
const IPV6_V6ONLY = 26
const MSG_NOSIGNAL = 0x4000
/** Node has no name for it. */
const EINPROGRESS = 115

/** A failed system call. */
export class SocketError extends Error {
  /** Such as `ECONNREFUSED`. */
  readonly code: string

  constructor(what: string) {
    const code = getSystemErrorName(-koffi.errno())
    super(`${what}: ${code}`)
    this.code = code
  }
}

function checked(result: number, what: string): number {
  if (result < 0) throw new SocketError(what)
  return result
}

export type Protocol = 'tcp' | 'udp' | 'sctp'

/** An address as the kernel wants it. */
export interface SocketAddress {
  readonly family: number
  readonly bytes: Buffer
}

export function socketAddress(address: string, port: number): SocketAddress {
  const six = isIPv6(address)
  const family = six ? AF_INET6 : AF_INET
  const bytes = Buffer.alloc(six ? 28 : 16)
  bytes.writeUInt16LE(family, 0)
  bytes.writeUInt16BE(port, 2)
  const host = Buffer.alloc(16)
  if (call.inetPton(family, address, host) !== 1) throw new Error(`'${address}' is no IP address`)
  host.copy(bytes, six ? 8 : 4, 0, six ? 16 : 4)
  return { family, bytes }
}

const one = Buffer.from([1, 0, 0, 0])

function openSocket(protocol: Protocol, family: number): number {
  const type = (protocol === 'udp' ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK_CLOEXEC
  return checked(call.socket(family, type, protocol === 'sctp' ? IPPROTO_SCTP : 0), 'socket')
}

/** A socket that is connecting, from any port or the one given; whether it succeeds shows in the first `send`. */
export function connectTo(protocol: Protocol, { family, bytes }: SocketAddress, localPort?: number): number {
  const fd = openSocket(protocol, family)
  if (protocol === 'tcp') call.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, one, 4)
  if (localPort !== undefined) {
    const local = socketAddress(family === AF_INET6 ? '::' : '0.0.0.0', localPort)
    checked(call.bind(fd, local.bytes, local.bytes.length), 'bind')
  }
  if (call.connect(fd, bytes, bytes.length) === 0 || koffi.errno() === EINPROGRESS) return fd
  const error = new SocketError('connect')
  call.close(fd)
  throw error
}

/** A listening (TCP, SCTP) or bound (UDP) socket; IPv6 ones take IPv6 alone. */
export function listenOn(protocol: Protocol, { family, bytes }: SocketAddress): number {
  const fd = openSocket(protocol, family)
  call.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, 4)
  if (family === AF_INET6) call.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, one, 4)
  checked(call.bind(fd, bytes, bytes.length), 'bind')
  if (protocol !== 'udp') checked(call.listen(fd, 4096), 'listen')
  return fd
}

/** The next waiting connection; undefined when there is none. */
export function acceptFrom(fd: number): number | undefined {
  const accepted = call.accept(fd, null, null, SOCK_NONBLOCK_CLOEXEC)
  return accepted < 0 ? undefined : accepted
}

/** Throws a SocketError, also that of the connect before. */
export function sendText(fd: number, text: string): void {
  const bytes = Buffer.from(text, 'latin1')
  const sent = checked(call.send(fd, bytes, bytes.length, MSG_NOSIGNAL), 'send')
  if (sent < bytes.length) throw new Error(`only ${sent} of ${bytes.length} bytes could be sent`)
}

const incoming = Buffer.alloc(16384)

/** What has arrived; empty at the end of the stream; undefined when nothing is there. Throws a SocketError. */
export function receiveText(fd: number): string | undefined {
  const size = call.recv(fd, incoming, incoming.length, 0)
  if (size >= 0) return incoming.toString('latin1', 0, size)
  const error = new SocketError('recv')
  if (error.code === 'EAGAIN') return undefined
  throw error
}

const sender = Buffer.alloc(28)
const senderSize = Buffer.alloc(4)

/** Answers one datagram by what `reply` makes of it. False when none is there. */
export function answerDatagram(fd: number, reply: (question: string) => string): boolean {
  senderSize.writeUInt32LE(sender.length)
  const size = call.recvfrom(fd, incoming, incoming.length, 0, sender, senderSize)
  if (size < 0) return false
  const bytes = Buffer.from(reply(incoming.toString('latin1', 0, size)), 'latin1')
  call.sendto(fd, bytes, bytes.length, 0, sender, senderSize.readUInt32LE())
  return true
}

export function closeSocket(fd: number): void {
  call.close(fd)
}

export const readable = 0x001
export const writable = 0x004
/** The other side will send no more. */
export const hungUp = 0x2000 | 0x010 | 0x008
/** Tell of news only, not of what is still so. */
export const edgeTriggered = 0x80000000

/** struct epoll_event is packed on x86-64 alone. */
const eventSize = arch() === 'x64' ? 12 : 16
const eventData = eventSize - 8

/** Waits for many sockets at once, without Node's event loop. */
export class Poller {
  readonly #epoll = checked(call.epollCreate(0o2000000), 'epoll_create1')
  readonly #handlers = new Map<number, (events: number) => void>()
  readonly #events = Buffer.alloc(eventSize * 256)
  readonly #event = Buffer.alloc(eventSize)

  add(fd: number, events: number, handler: (events: number) => void): void {
    this.#event.writeUInt32LE(events >>> 0, 0)
    this.#event.writeInt32LE(fd, eventData)
    checked(call.epollCtl(this.#epoll, 1, fd, this.#event), 'epoll_ctl')
    this.#handlers.set(fd, handler)
  }

  /** Stops watching and closes. */
  close(fd: number): void {
    this.#handlers.delete(fd)
    call.close(fd)
  }

  /** Waits up to `timeoutMs` and calls the handlers of what happened. */
  wait(timeoutMs: number): void {
    const count = call.epollWait(this.#epoll, this.#events, 256, timeoutMs)
    for (let i = 0; i < count; i++) {
      const at = i * eventSize
      this.#handlers.get(this.#events.readInt32LE(at + eventData))?.(this.#events.readUInt32LE(at))
    }
  }
}
