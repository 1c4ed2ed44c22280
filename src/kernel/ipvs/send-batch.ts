import { SystemCallError } from '../libc.ts'
import { NLMSG_ERROR } from '../netlink/constants.ts'
import { readErrorReply } from '../netlink/error-reply.ts'
import { receiveDatagram, receiveWaiting } from '../netlink/exchange.ts'
import { MessageCursor } from '../netlink/message-cursor.ts'
import { protocolError } from '../netlink/protocol-error.ts'
import type { NetlinkTransport } from '../netlink/transport.ts'

/** A refused command, by its sequence number. */
export interface SequencedFailure {
  readonly sequence: number
  readonly errno: string
  readonly message?: string
}

/** Several commands for one send(2); the last of them asks for an acknowledgement. */
export interface Batch {
  readonly bytes: Uint8Array
  /** Sequence number of its first command; the others count up. */
  readonly first: number
  readonly count: number
}

/**
 * Sends one batch and reads every answer before it returns. Commands ask for no acknowledgement, so only refusals come
 * back, and the one acknowledgement of the last command, which the kernel writes last, proves that none is missing.
 */
export function sendBatch(transport: NetlinkTransport, batch: Batch, buffer: Uint8Array): readonly SequencedFailure[] {
  try {
    transport.send(batch.bytes)
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error
    // The kernel took nothing of a datagram that it refused.
    return sequences(batch).map((sequence) => ({ sequence, errno: error.errno }))
  }
  const answers = new Map<number, SequencedFailure | undefined>()
  try {
    readAnswers(transport, batch, buffer, answers)
  } catch (error) {
    if (!(error instanceof SystemCallError && error.errno === 'ENOBUFS')) throw error
    drain(transport, batch, buffer, answers)
    return failures(batch, answers, true)
  }
  return failures(batch, answers, false)
}

type Answers = Map<number, SequencedFailure | undefined>

function readAnswers(transport: NetlinkTransport, batch: Batch, buffer: Uint8Array, answers: Answers): void {
  const last = batch.first + batch.count - 1
  while (!answers.has(last)) readAnswer(buffer, receiveDatagram(transport, buffer), batch, answers)
}

/** After an overflow whatever is left is read, so that it cannot be taken for the answer to a later batch. */
function drain(transport: NetlinkTransport, batch: Batch, buffer: Uint8Array, answers: Answers): void {
  for (;;) {
    const length = receiveWaiting(transport, buffer)
    if (length === undefined) return
    readAnswer(buffer, length, batch, answers)
  }
}

function readAnswer(buffer: Uint8Array, length: number, batch: Batch, answers: Answers): void {
  const cursor = new MessageCursor(buffer, 0, length)
  while (cursor.next()) {
    const { sequence } = cursor
    if (sequence < batch.first || sequence >= batch.first + batch.count) {
      throw protocolError(`message ${sequence} answers none of the commands ${batch.first} to ${batch.first + batch.count - 1}`)
    }
    if (cursor.type !== NLMSG_ERROR) continue
    const refusal = readErrorReply(cursor)
    answers.set(sequence, refusal === undefined ? undefined : { sequence, ...refusal })
  }
}

/** With `overflow`, a command without an answer may have been refused: it counts as failed, so that the table is read again. */
function failures(batch: Batch, answers: Answers, overflow: boolean): readonly SequencedFailure[] {
  const found: SequencedFailure[] = []
  if (answers.size === 1 && !overflow && answers.get(batch.first + batch.count - 1) === undefined) return found
  for (const sequence of sequences(batch)) {
    const answer = answers.get(sequence)
    if (answer !== undefined) found.push(answer)
    else if (overflow && !answers.has(sequence)) found.push({ sequence, errno: 'ENOBUFS', message: 'the answer was lost' })
  }
  return found
}

function sequences({ first, count }: Batch): number[] {
  return Array.from({ length: count }, (_, index) => first + index)
}
