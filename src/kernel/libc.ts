import { endianness } from 'node:os'
import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'
import { PointsmanError } from '../errors.ts'
import type { AddressFamily } from '../model/address.ts'
import { forgetDescriptor, noteDescriptor, notedDescriptors } from './descriptor-notes.ts'

/** Constants of the C library and the kernel that the calls below take (Linux, x86_64 and arm64 alike). */
export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10

export function addressFamilyNumber(family: AddressFamily): number {
  return family === 'ipv4' ? AF_INET : AF_INET6
}

export const AF_NETLINK = 16
export const AF_PACKET = 17
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
export const SOCK_NONBLOCK = 0x800
const SOCK_CLOEXEC = 0x80000
export const SOL_SOCKET = 1
export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
export const CLONE_NEWNET = 0x40000000
const MFD_CLOEXEC = 1
const F_SETFD = 2
const FD_CLOEXEC = 1
const SO_ERROR = 4
const SO_ATTACH_FILTER = 26
/** Bytes of `struct sock_fprog` on 64-bit machines. */
const FILTER_PROGRAM = 16
const EAGAIN = 11
const EINPROGRESS = 115

/** Netlink speaks the byte order of the host. */
export const LITTLE_ENDIAN = endianness() === 'LE'

/** A system call that failed, with the kernel's name for the reason. */
export class SystemCallError extends Error {
  /** `EPERM`, `ENOBUFS`, … */
  readonly errno: string
  readonly call: string

  constructor(call: string, errno: string) {
    super(`${call} failed with ${errno}`)
    this.name = 'SystemCallError'
    this.call = call
    this.errno = errno
  }
}

type Bytes = Uint8Array

/** `struct sock_fprog` (`linux/filter.h`). */
interface FilterProgram {
  readonly len: number
  readonly filter: Bytes
}

interface Calls {
  readonly socket: (domain: number, type: number, protocol: number) => number
  readonly bind: (fd: number, address: Bytes, length: number) => number
  readonly sendto: (fd: number, bytes: Bytes, length: number, flags: number, address: Bytes, addressLength: number) => number
  readonly recv: (fd: number, bytes: Bytes, length: number, flags: number) => number
  readonly setsockopt: (fd: number, level: number, option: number, value: Bytes, length: number) => number
  readonly connect: (fd: number, address: Bytes, length: number) => number
  readonly send: (fd: number, bytes: Bytes, length: number, flags: number) => number
  readonly getsockopt: (fd: number, level: number, option: number, value: Bytes, length: Bytes) => number
  readonly epoll_create1: (flags: number) => number
  readonly epoll_ctl: (epoll: number, operation: number, fd: number, event: Bytes) => number
  readonly epoll_wait: (epoll: number, events: Bytes, most: number, timeout: number) => number
  readonly attachFilter: (fd: number, level: number, option: number, program: FilterProgram, length: number) => number
  readonly close: (fd: number) => number
  readonly setns: (fd: number, kind: number) => number
  readonly memfd_create: (name: string, flags: number) => number
  readonly adjtimex: (timex: Bytes) => number
  readonly fcntl: (fd: number, command: number, type: 'int', value: number) => number
}

let loaded: Calls | undefined

/** The C library is opened on first use, so that commands that never touch the kernel work on every platform. */
export function calls(): Calls {
  if (loaded) return loaded
  if (process.platform !== 'linux') {
    throw new PointsmanError(
      'UNSUPPORTED_PLATFORM',
      `IPVS exists on Linux only and this is ${process.platform}: run Pointsman on the Linux director.`,
    )
  }
  // The program's own symbols first: they are there with every C library, musl included.
  const library = koffi.load(null)
  // Every pointer is `void *` and gets a byte array: no C structure leaves this file. koffi knows no ssize_t.
  const filterProgram = koffi.struct({ len: 'unsigned short', filter: 'void *' })
  loaded = {
    socket: library.func('int socket(int domain, int type, int protocol)'),
    bind: library.func('int bind(int fd, void *address, unsigned int length)'),
    sendto: library.func('long sendto(int fd, void *bytes, size_t length, int flags, void *address, unsigned int addressLength)'),
    recv: library.func('long recv(int fd, void *bytes, size_t length, int flags)'),
    setsockopt: library.func('int setsockopt(int fd, int level, int option, void *value, unsigned int length)'),
    connect: library.func('int connect(int fd, void *address, unsigned int length)'),
    send: library.func('long send(int fd, void *bytes, size_t length, int flags)'),
    getsockopt: library.func('int getsockopt(int fd, int level, int option, void *value, void *length)'),
    epoll_create1: library.func('int epoll_create1(int flags)'),
    epoll_ctl: library.func('int epoll_ctl(int epoll, int operation, int fd, void *event)'),
    epoll_wait: library.func('int epoll_wait(int epoll, void *events, int most, int timeout)'),
    attachFilter: library.func('setsockopt', 'int', ['int', 'int', 'int', koffi.pointer(filterProgram), 'unsigned int']),
    close: library.func('int close(int fd)'),
    setns: library.func('int setns(int fd, int kind)'),
    memfd_create: library.func('int memfd_create(const char *name, unsigned int flags)'),
    adjtimex: library.func('int adjtimex(void *timex)'),
    fcntl: library.func('int fcntl(int fd, int command, ...)'),
  }
  return loaded
}

/** Name of an error number as the kernel writes it in errno and in netlink replies, given positive. */
export function errnoName(errno: number): string {
  try {
    return getSystemErrorName(-errno)
  } catch {
    return `E${errno}`
  }
}

/** Reads errno: nothing may run between the failed call and this. */
export function failure(call: string): SystemCallError {
  return new SystemCallError(call, errnoName(koffi.errno()))
}

/** A socket that Node cannot make itself. Every call throws SystemCallError; the descriptor is closed once. */
export class RawSocket implements Disposable {
  #fd: number
  readonly #note: number

  constructor(domain: number, type: number, protocol: number) {
    this.#fd = calls().socket(domain, type | SOCK_CLOEXEC, protocol)
    if (this.#fd < 0) throw failure('socket')
    this.#note = noteDescriptor(this.#fd)
  }

  get descriptor(): number {
    return this.#fd
  }

  bind(address: Uint8Array): void {
    if (calls().bind(this.#fd, address, address.length) < 0) throw failure('bind')
  }

  setOption(level: number, option: number, value: number): void {
    this.setOptionBytes(level, option, int32(value))
  }

  setOptionBytes(level: number, option: number, value: Uint8Array): void {
    if (calls().setsockopt(this.#fd, level, option, value, value.length) < 0) throw failure('setsockopt')
  }

  /** Fills `value`, which may hold a part of the question, with what the kernel says of an option. */
  getOption(level: number, option: number, value: Uint8Array): void {
    if (calls().getsockopt(this.#fd, level, option, value, int32(value.length)) < 0) throw failure('getsockopt')
  }

  /** Begins to connect a socket that does not block; what comes of it shows on an Epoll. */
  beginConnect(address: Uint8Array): void {
    if (calls().connect(this.#fd, address, address.length) < 0 && koffi.errno() !== EINPROGRESS) throw failure('connect')
  }

  /** Bytes that the kernel took of a stream; 0 where it takes none now. */
  send(bytes: Uint8Array): number {
    const sent = calls().send(this.#fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL)
    if (sent >= 0) return sent
    if (koffi.errno() === EAGAIN) return 0
    throw failure('send')
  }

  /** Bytes of a stream that have come in; 0 at its end, undefined where none wait. */
  read(into: Uint8Array): number | undefined {
    const length = calls().recv(this.#fd, into, into.length, MSG_DONTWAIT)
    if (length >= 0) return length
    if (koffi.errno() === EAGAIN) return undefined
    throw failure('recv')
  }

  /** The error that waits on the socket, which goes with the asking. */
  takeError(): SystemCallError | undefined {
    const value = new Uint8Array(4)
    if (calls().getsockopt(this.#fd, SOL_SOCKET, SO_ERROR, value, int32(4)) < 0) return failure('getsockopt')
    const errno = new DataView(value.buffer).getInt32(0, LITTLE_ENDIAN)
    return errno === 0 ? undefined : new SystemCallError('connect', errnoName(errno))
  }

  /** Lets in what a classic BPF program (`struct sock_filter`, 8 bytes an instruction) accepts. */
  attachFilter(program: Uint8Array): void {
    const filter = { len: program.length / 8, filter: program }
    if (calls().attachFilter(this.#fd, SOL_SOCKET, SO_ATTACH_FILTER, filter, FILTER_PROGRAM) < 0) throw failure('setsockopt')
  }

  /** Sends the whole of `bytes` as one datagram. With MSG_DONTWAIT a full queue is EAGAIN. */
  sendTo(bytes: Uint8Array, address: Uint8Array, flags = 0): void {
    const sent = calls().sendto(this.#fd, bytes, bytes.length, flags, address, address.length)
    if (sent < 0) throw failure('sendto')
    if (sent !== bytes.length) throw new SystemCallError('sendto', 'EMSGSIZE')
  }

  /**
   * The datagram that is waiting, or undefined when none is. The answer is the datagram's real length: more than
   * `into` holds means that it was cut.
   */
  receive(into: Uint8Array): number | undefined {
    const length = calls().recv(this.#fd, into, into.length, MSG_DONTWAIT | MSG_TRUNC)
    if (length >= 0) return length
    const error = failure('recv')
    if (error.errno === 'EAGAIN') return undefined
    throw error
  }

  /**
   * Calls `listener` from the event loop when something is waiting, or was lost (ENOBUFS), until what is returned is disposed of, before the socket
   * is. What the listener leaves is announced again. It keeps no process alive.
   */
  onReadable(listener: () => void): Disposable {
    return onReadable(this.#fd, listener)
  }

  /** Gives the descriptor away: whoever takes it closes it. */
  release(): number {
    const fd = this.#fd
    forgetDescriptor(this.#note)
    this.#fd = -1
    return fd
  }

  [Symbol.dispose](): void {
    if (this.#fd < 0) return
    forgetDescriptor(this.#note)
    calls().close(this.#fd)
    this.#fd = -1
  }
}

/** Closes what a thread that has ended left open. */
export function closeDescriptorsOf(dead: Int32Array): void {
  for (const descriptor of notedDescriptors(dead)) calls().close(descriptor)
}

export interface Polling extends Disposable {
  /** Keeps the process alive, or no longer. */
  hold(alive: boolean): void
}

/** As RawSocket.onReadable. */
export function onReadable(fd: number, listener: () => void): Polling {
  let ended = false
  const handle = koffi.node.poll(fd, { readable: true }, heard)
  handle.unref()
  const end = () => {
    if (ended) return
    ended = true
    process.removeListener('exit', end)
    handle.close()
  }
  // A call of ours while Node takes its environment down would abort the process.
  process.once('exit', end)
  function heard(...[status]: unknown[]): void {
    // In a turn of its own, where what it throws is thrown as from everywhere else.
    setImmediate(() => {
      if (ended) return
      // An error that waits on the socket ends the poll.
      if (typeof status === 'number' && status < 0) handle.start({ readable: true }, heard)
      listener()
    })
  }
  return {
    hold: (alive) => (alive ? handle.ref() : handle.unref()),
    [Symbol.dispose]: end,
  }
}

/** An empty file in memory (memfd_create(2)) that nobody else finds; whoever asked for it closes it. Throws SystemCallError. */
export function memoryFile(name: string): number {
  const fd = calls().memfd_create(name, MFD_CLOEXEC)
  if (fd < 0) throw failure('memfd_create')
  return fd
}

/** Bytes of `struct timex` (`sys/timex.h`) on 64-bit machines; the kernel writes all of them. */
const TIMEX = 208
/** What adjtimex(2) answers while the clock is not kept by anybody. */
const TIME_ERROR = 5

/** Whether somebody keeps the clock in step with the world's (adjtimex(2), which changes nothing here). Throws SystemCallError. */
export function clockIsKept(): boolean {
  const state = calls().adjtimex(new Uint8Array(TIMEX))
  if (state < 0) throw failure('adjtimex')
  return state !== TIME_ERROR
}

/** Keeps a descriptor from the programs that are started from now on. Throws SystemCallError. */
export function closeOnExec(fd: number): void {
  if (calls().fcntl(fd, F_SETFD, 'int', FD_CLOEXEC) < 0) throw failure('fcntl')
}

/** Moves the calling thread, and no other, into the network namespace that `fd` is open on. */
export function enterNetworkNamespace(fd: number): void {
  if (calls().setns(fd, CLONE_NEWNET) < 0) throw failure('setns')
}

function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setInt32(0, value, LITTLE_ENDIAN)
  return bytes
}
