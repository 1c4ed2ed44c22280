import { errnoName } from '../libc.ts'
import { MESSAGE_HEADER, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR } from './constants.ts'
import { type Refusal, readErrorReply } from './error-reply.ts'
import { MessageCursor } from './message-cursor.ts'
import { protocolError } from './protocol-error.ts'
import type { NetlinkTransport } from './transport.ts'

/** A datagram of the kernel never exceeds 32 KiB, however large the buffer. */
export const LARGEST_DATAGRAM = 64 * 1024

/** Receives the datagram that must be waiting, because the kernel answers before `send` returns. */
export function receiveDatagram(transport: NetlinkTransport, into: Uint8Array): number {
  const length = receiveWaiting(transport, into)
  if (length === undefined) throw protocolError('the answer ended before its last message')
  return length
}

/** Receives a datagram if one is waiting; one that was cut or holds no message is refused. */
export function receiveWaiting(transport: Pick<NetlinkTransport, 'receive'>, into: Uint8Array): number | undefined {
  const length = transport.receive(into)
  if (length === undefined) return undefined
  if (length > into.length) throw protocolError(`a datagram of ${length} bytes was cut to ${into.length}`)
  if (length < MESSAGE_HEADER) throw protocolError(`a datagram of ${length} bytes holds no message`)
  return length
}

/**
 * Sends one request that asks for an acknowledgement and shows every message of the answer to `visit`. Gives the
 * refusal, or undefined when the kernel did as asked.
 */
export function exchange(
  transport: NetlinkTransport,
  request: Uint8Array,
  buffer: Uint8Array,
  visit: (message: MessageCursor) => void = () => undefined,
): Refusal | undefined {
  const sequence = sequenceOf(request)
  const cursor = new MessageCursor(buffer)
  transport.send(request)
  for (;;) {
    cursor.over(0, receiveDatagram(transport, buffer))
    while (cursor.next()) {
      requireSequence(cursor, sequence)
      if (cursor.type === NLMSG_ERROR) return readErrorReply(cursor)
      if (cursor.type === NLMSG_DONE) return doneRefusal(cursor)
      visit(cursor)
    }
  }
}

/** What a dump ended with. */
export interface DumpEnd {
  readonly refusal: Refusal | undefined
  /** The kernel itself says that the table changed meanwhile (NLM_F_DUMP_INTR). */
  readonly interrupted: boolean
  /** Datagrams with data: what came in one was true at one moment. */
  readonly datagrams: number
}

/** A buffer that a dump is received into, and how much of it is filled. It grows, and its bytes move when it does. */
export class Arena {
  bytes: Buffer = Buffer.allocUnsafeSlow(4 * LARGEST_DATAGRAM)
  position = 0

  /** Room for one more datagram. */
  room(): Uint8Array {
    if (this.position + LARGEST_DATAGRAM > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(this.bytes.length * 2)
      this.bytes.copy(larger, 0, 0, this.position)
      this.bytes = larger
    }
    return this.bytes.subarray(this.position, this.position + LARGEST_DATAGRAM)
  }

  /** Takes in what another one holds. */
  append(other: Arena): void {
    for (let at = 0; at < other.position; at += LARGEST_DATAGRAM) {
      const part = other.bytes.subarray(at, Math.min(at + LARGEST_DATAGRAM, other.position))
      this.room().set(part)
      this.position += part.length
    }
  }
}

/** Sends a dump request and appends the data messages of the answer to `arena`, headers and all. */
export function dump(transport: NetlinkTransport, request: Uint8Array, arena: Arena): DumpEnd {
  const sequence = sequenceOf(request)
  let interrupted = false
  let datagrams = 0
  transport.send(request)
  for (;;) {
    const room = arena.room()
    const length = receiveDatagram(transport, room)
    const cursor = new MessageCursor(room, 0, length)
    while (cursor.next()) {
      requireSequence(cursor, sequence)
      if ((cursor.flags & NLM_F_DUMP_INTR) !== 0) interrupted = true
      if (cursor.type === NLMSG_ERROR) return { refusal: readErrorReply(cursor), interrupted, datagrams }
      if (cursor.type !== NLMSG_DONE) continue
      if (cursor.start > 0) datagrams++
      arena.position += cursor.start
      return { refusal: doneRefusal(cursor), interrupted, datagrams }
    }
    arena.position += length
    datagrams++
  }
}

function doneRefusal(cursor: MessageCursor): Refusal | undefined {
  const result = cursor.result()
  return result < 0 ? { errno: errnoName(-result) } : undefined
}

function requireSequence(cursor: MessageCursor, sequence: number): void {
  if (cursor.sequence !== sequence) throw protocolError(`message ${cursor.sequence} answers another request than ${sequence}`)
}

function sequenceOf(request: Uint8Array): number {
  const cursor = new MessageCursor(request)
  if (!cursor.next()) throw protocolError('the request is empty')
  return cursor.sequence
}
