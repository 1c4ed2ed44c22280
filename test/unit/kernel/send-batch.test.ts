import { describe, expect, test } from 'vitest'
import { BATCH_BYTES, encodeBatches } from '../../../src/kernel/ipvs/batches.ts'
import { COMMAND } from '../../../src/kernel/ipvs/constants.ts'
import { sendBatch } from '../../../src/kernel/ipvs/send-batch.ts'
import { SystemCallError } from '../../../src/kernel/libc.ts'
import { NLM_F_ACK, NLM_F_REQUEST } from '../../../src/kernel/netlink/constants.ts'
import { MessageCursor } from '../../../src/kernel/netlink/message-cursor.ts'
import { MessageWriter } from '../../../src/kernel/netlink/message-writer.ts'
import { pool, tcp, virtualService } from './support/objects.ts'
import { ERRNO, errorBytes, overflow, ScriptedKernel } from './support/scripted-kernel.ts'

const FAMILY = 37

function encoded(commands: Parameters<typeof encodeBatches>[1], room = 1 << 20) {
  const writer = new MessageWriter(new Uint8Array(room))
  const { batches, next } = encodeBatches(writer, commands, 0, FAMILY)
  return {
    next,
    batches,
    ready: batches.map(({ start, end, first, count }) => ({ bytes: writer.bytes.subarray(start, end), first, count })),
  }
}

function send(kernel: ScriptedKernel, batch: Parameters<typeof sendBatch>[1]) {
  return sendBatch(kernel, batch, Buffer.alloc(65536))
}

describe('batches', () => {
  test('hold at most 64 messages and 16 KiB, in order, each command once', () => {
    const { ready, batches } = encoded(pool(tcp('10.0.0.1'), 1000))
    expect(batches.reduce((sum, { count }) => sum + count, 0)).toBe(1001)
    expect(batches.map(({ first }) => first)).toEqual(batches.map((_, index) => 1 + index * 64))
    for (const { bytes, count } of ready) {
      expect(count).toBeLessThanOrEqual(64)
      expect(bytes.length).toBeLessThanOrEqual(16 * 1024)
    }
  })

  test('only the last message of each asks for an acknowledgement', () => {
    for (const { bytes, count } of encoded(pool(tcp('10.0.0.1'), 100)).ready) {
      const cursor = new MessageCursor(bytes)
      const flags: number[] = []
      while (cursor.next()) flags.push(cursor.flags)
      expect(flags).toEqual([...new Array(count - 1).fill(NLM_F_REQUEST), NLM_F_REQUEST | NLM_F_ACK])
    }
  })

  test('stop where the buffer ends and go on from there', () => {
    const { next, batches } = encoded(pool(tcp('10.0.0.1'), 1000), 2 * BATCH_BYTES)
    expect(next).toBe(batches.reduce((sum, { count }) => sum + count, 0))
    expect(next).toBeLessThan(1001)
  })

  test('a name of any length does not break the limit', () => {
    const long = Array.from({ length: 64 }, (_, index) => ({
      kind: 'add-service' as const,
      service: virtualService(tcp('10.0.0.1', index), { scheduler: 'x'.repeat(100_000) }),
    }))
    for (const { bytes } of encoded(long).ready) expect(bytes.length).toBeLessThanOrEqual(16 * 1024)
  })
})

describe('sending a batch', () => {
  const [batch] = encoded(pool(tcp('10.0.0.1'), 20)).ready
  if (batch === undefined) throw new Error('no batch')

  test('all done is one send, one acknowledgement and no failure', () => {
    const kernel = new ScriptedKernel()
    expect(send(kernel, batch)).toEqual([])
    expect(kernel.sends).toHaveLength(1)
    expect(kernel.queue).toHaveLength(0)
  })

  test('refusals are matched by sequence number, with the words of the kernel', () => {
    const kernel = new ScriptedKernel()
    kernel.refuse = (_, sequence) => {
      if (sequence === 3) return { errno: ERRNO.EEXIST }
      return sequence === 21 ? { errno: ERRNO.EINVAL, words: 'no such thing' } : undefined
    }
    expect(send(kernel, batch)).toEqual([
      { sequence: 3, errno: 'EEXIST' },
      { sequence: 21, errno: 'EINVAL', message: 'no such thing' },
    ])
  })

  test('one refusal alone is reported', () => {
    const kernel = new ScriptedKernel()
    kernel.refuse = (_, sequence) => (sequence === 21 ? { errno: ERRNO.EEXIST } : undefined)
    expect(send(kernel, batch)).toEqual([{ sequence: 21, errno: 'EEXIST' }])
  })

  test('after lost answers every command without one counts as failed, and nothing is left for the next batch', () => {
    const kernel = new ScriptedKernel()
    kernel.refuse = (_, sequence) => (sequence === 2 || sequence === 3 ? { errno: ERRNO.EEXIST } : undefined)
    let receives = 0
    kernel.onReceive = () => {
      if (++receives === 2) throw overflow()
    }
    const failures = send(kernel, batch)
    expect(failures.slice(0, 3)).toEqual([
      { sequence: 1, errno: 'ENOBUFS', message: 'the answer was lost' },
      { sequence: 2, errno: 'EEXIST' },
      { sequence: 3, errno: 'EEXIST' },
    ])
    // The last command was acknowledged, so it did not fail.
    expect(failures.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
    expect(kernel.queue).toHaveLength(0)
  })

  test('a datagram that the kernel does not take fails all of its commands', () => {
    const kernel = new ScriptedKernel()
    kernel.send = () => {
      throw new SystemCallError('sendto', 'ENOMEM')
    }
    expect(send(kernel, batch).map(({ errno }) => errno)).toEqual(new Array(21).fill('ENOMEM'))
  })

  test('an answer to somebody else is a typed error', () => {
    const kernel = new ScriptedKernel()
    kernel.queue.push(errorBytes(2, 99, -17, new Uint8Array(16)))
    expect(() => send(kernel, batch)).toThrow(expect.objectContaining({ code: 'NETLINK_PROTOCOL' }))
  })

  test('a missing acknowledgement is a typed error', () => {
    const kernel = new ScriptedKernel()
    kernel.send = () => undefined
    expect(() => send(kernel, batch)).toThrow(expect.objectContaining({ code: 'NETLINK_PROTOCOL' }))
  })

  test('a refused destination does not stop the ones after it', () => {
    const kernel = new ScriptedKernel()
    kernel.refuse = (command, sequence) => (command === COMMAND.newDest && sequence === 5 ? { errno: ERRNO.EINVAL } : undefined)
    send(kernel, batch)
    expect([...kernel.services.values()].map(({ destinations }) => destinations.size)).toEqual([19])
  })
})
