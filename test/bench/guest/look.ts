/** Looks at one service in the kernel so cheaply that looking does not take the processor from what is timed. */

import { setTimeout as sleep } from 'node:timers/promises'
import { resolveIpvsFamily } from '../../../src/kernel/ipvs/family.ts'
import { modprobe } from '../../../src/kernel/ipvs/load-module.ts'
import { encodeIdentityNest } from '../../../src/kernel/ipvs/service-codec.ts'
import { ServiceQuestions } from '../../../src/kernel/ipvs/service-dump.ts'
import { writeAddress } from '../../../src/kernel/netlink/address-bytes.ts'
import { Arena } from '../../../src/kernel/netlink/exchange.ts'
import { MessageWriter } from '../../../src/kernel/netlink/message-writer.ts'
import { openNetlinkSocket } from '../../../src/kernel/netlink/netlink-socket.ts'
import type { IpAddress } from '../../../src/model/address.ts'
import type { ServiceIdentity } from '../../../src/model/virtual-service.ts'

/** Milliseconds between two looks. */
const PAUSE = 2
const LONGEST = 60_000
const SEQUENCE = 1
const NEST_ROOM = 64
const IPV4 = 4

export class Look implements Disposable {
  readonly #transport = openNetlinkSocket()
  readonly #questions = new ServiceQuestions(this.#transport, resolveIpvsFamily(this.#transport, modprobe))
  readonly #arena = new Arena()

  /** The time (of performance.now()) at which the service was first seen with a destination of that address, IPv4. */
  async untilHeld(identity: ServiceIdentity, address: IpAddress): Promise<number> {
    const writer = new MessageWriter(new Uint8Array(NEST_ROOM))
    encodeIdentityNest(writer, identity)
    const nest = writer.bytes.subarray(0, writer.position)
    const wanted = Buffer.alloc(IPV4)
    writeAddress(wanted, 0, address)
    const deadline = performance.now() + LONGEST
    while (!this.#holds(nest, wanted)) {
      if (performance.now() > deadline) throw new Error(`the kernel never held ${address}`)
      await sleep(PAUSE)
    }
    return performance.now()
  }

  /** The address of a destination is the only place in its message with these bytes. */
  #holds(nest: Uint8Array, address: Buffer): boolean {
    const arena = this.#arena
    arena.position = 0
    this.#questions.dumpDestinations(arena, nest, SEQUENCE)
    return arena.bytes.subarray(0, arena.position).includes(address)
  }

  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]()
  }
}
