import type { AnyIpvsCommand } from '../ipvs-kernel.ts'
import { NLM_F_ACK, NLM_F_REQUEST } from '../netlink/constants.ts'
import type { MessageWriter } from '../netlink/message-writer.ts'
import { encodeCommand, LARGEST_MESSAGE } from './command-codec.ts'

/** One send(2) carries no more than this: nothing can interrupt the kernel while it works a send off. */
export const BATCH_MESSAGES = 64
export const BATCH_BYTES = 16 * 1024

/** Where a batch lies in the window and which commands it holds. */
export interface EncodedBatch {
  readonly start: number
  readonly end: number
  /** Sequence number of its first command. */
  readonly first: number
  readonly count: number
}

/** Sequence numbers are the command's position plus one: 0 would be nobody's. */
export function sequenceOf(index: number): number {
  return index + 1
}

export function indexOf(sequence: number): number {
  return sequence - 1
}

/**
 * Encodes commands from position `from` on into the writer's buffer, until the buffer or the commands end. The last command
 * of each batch asks for an acknowledgement.
 */
export function encodeBatches(
  writer: MessageWriter,
  commands: readonly AnyIpvsCommand[],
  from: number,
  family: number,
): { readonly batches: readonly EncodedBatch[]; readonly next: number } {
  const batches: EncodedBatch[] = []
  let next = from
  writer.position = 0
  while (next < commands.length && writer.position + BATCH_BYTES <= writer.bytes.length) {
    const batch = encodeBatch(writer, commands, next, family)
    batches.push(batch)
    next += batch.count
  }
  return { batches, next }
}

function encodeBatch(writer: MessageWriter, commands: readonly AnyIpvsCommand[], from: number, family: number): EncodedBatch {
  const start = writer.position
  const limit = start + BATCH_BYTES - LARGEST_MESSAGE
  let index = from
  let last = start
  while (index < commands.length && index - from < BATCH_MESSAGES && writer.position <= limit) {
    last = writer.position
    encodeCommand(writer, commands[index] as AnyIpvsCommand, family, sequenceOf(index))
    index++
  }
  writer.setFlags(last, NLM_F_REQUEST | NLM_F_ACK)
  return { start, end: writer.position, first: sequenceOf(from), count: index - from }
}
