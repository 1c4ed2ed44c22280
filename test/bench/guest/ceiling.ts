/**
 * The ceiling: the very messages that Pointsman sends, encoded beforehand, through the same socket code in the same batches,
 * from a process that does nothing else. What the kernel takes for them nobody can undercut.
 */

import { encodeBatches } from '../../../src/kernel/ipvs/batches.ts'
import { resolveIpvsFamily } from '../../../src/kernel/ipvs/family.ts'
import { modprobe } from '../../../src/kernel/ipvs/load-module.ts'
import { type Batch, sendBatch } from '../../../src/kernel/ipvs/send-batch.ts'
import type { IpvsCommand } from '../../../src/kernel/ipvs-kernel.ts'
import { LARGEST_DATAGRAM } from '../../../src/kernel/netlink/exchange.ts'
import { MessageWriter } from '../../../src/kernel/netlink/message-writer.ts'
import { openNetlinkSocket } from '../../../src/kernel/netlink/netlink-socket.ts'
import type { NetlinkTransport } from '../../../src/kernel/netlink/transport.ts'
import { commandsFor, weightCommand } from '../own-tables.ts'
import { type Shape, WEIGHT } from '../shape.ts'

/** More than any message of the bench takes. */
const MESSAGE_ROOM = 256

export class Ceiling {
  readonly #transport: NetlinkTransport = openNetlinkSocket()
  readonly #buffer = Buffer.alloc(LARGEST_DATAGRAM)
  #shape: Shape = { services: 0, backends: 0, scheduler: 'wlc' }
  #table: readonly Batch[] = []
  #changes: readonly Batch[] = []

  offer() {
    return {
      load: async (shape: Shape) => {
        this.#shape = shape
      },
      /** Encodes everything with the number that the family has now. */
      find: async () => {
        const family = resolveIpvsFamily(this.#transport, modprobe)
        this.#table = encoded(commandsFor(this.#shape), family)
        this.#changes = [WEIGHT + 1, WEIGHT].flatMap((weight) => encoded([weightCommand(this.#shape, weight)], family))
      },
      apply: async () => this.#send(this.#table),
      change: async (count: number) => {
        const milliseconds: number[] = []
        for (let done = 0; done < count; done++) {
          for (const change of this.#changes) milliseconds.push(this.#send([change]))
        }
        return milliseconds
      },
    }
  }

  #send(batches: readonly Batch[]): number {
    const began = performance.now()
    for (const batch of batches) {
      const failures = sendBatch(this.#transport, batch, this.#buffer)
      if (failures.length > 0) throw new Error(`the kernel refused ${JSON.stringify(failures[0])}`)
    }
    return performance.now() - began
  }
}

export type CeilingOffer = ReturnType<Ceiling['offer']>

function encoded(commands: readonly IpvsCommand[], family: number): readonly Batch[] {
  const writer = new MessageWriter(new Uint8Array(commands.length * MESSAGE_ROOM + 64 * 1024))
  const { batches, next } = encodeBatches(writer, commands, 0, family)
  if (next !== commands.length) throw new Error(`only ${next} of ${commands.length} commands found room`)
  return batches.map(({ start, end, first, count }) => ({ bytes: writer.bytes.subarray(start, end), first, count }))
}
