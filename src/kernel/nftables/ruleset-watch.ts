import { SystemCallError } from '../libc.ts'
import { NETLINK_NETFILTER, NFNLGRP_NFTABLES } from '../netfilter/constants.ts'
import { LARGEST_DATAGRAM, receiveWaiting } from '../netlink/exchange.ts'
import { type GroupSocket, openGroupSocket } from '../netlink/netlink-socket.ts'
import type { NftChange } from '../nftables-kernel.ts'
import { ForeignChanges } from './foreign-changes.ts'
import { TransactionReader } from './transactions.ts'

/** Throws SystemCallError. */
export function openChangeSource(): GroupSocket {
  return openGroupSocket(NETLINK_NETFILTER, 1 << (NFNLGRP_NFTABLES - 1))
}

/** Listens to what others do to the ruleset, for as long as it is not disposed of. */
export class RulesetWatch implements Disposable {
  readonly #source: GroupSocket
  readonly #poll: Disposable
  readonly #listener: (change: NftChange) => void
  readonly #reader = new TransactionReader()
  readonly #foreign = new ForeignChanges()
  readonly #buffer = Buffer.allocUnsafe(LARGEST_DATAGRAM)
  #telling: NodeJS.Immediate | undefined

  constructor(listener: (change: NftChange) => void, source = openChangeSource()) {
    this.#listener = listener
    this.#source = source
    this.#poll = source.onReadable(() => {
      this.#receive()
      this.#tellSoon()
    })
  }

  /** A transaction of ours begins. */
  hold(): void {
    this.#foreign.hold()
  }

  /** It is over, and what the kernel says about it is waiting; `own` as in ForeignChanges. */
  release(own: number | undefined): void {
    this.#receive()
    this.#foreign.release(own)
    this.#tellSoon()
  }

  [Symbol.dispose](): void {
    clearImmediate(this.#telling)
    this.#poll[Symbol.dispose]()
    this.#source[Symbol.dispose]()
  }

  /** Reads what is waiting: never more than the receive buffer holds. */
  #receive(): void {
    for (;;) {
      try {
        const length = receiveWaiting(this.#source, this.#buffer)
        if (length === undefined) return
        for (const transaction of this.#reader.read(this.#buffer.subarray(0, length))) this.#foreign.hear(transaction)
      } catch (error) {
        this.#reader.forget()
        this.#foreign.hearLoss()
        // After ENOBUFS and after what cannot be read more may be waiting; nothing else passes by itself.
        if (error instanceof SystemCallError && error.errno !== 'ENOBUFS') return
      }
    }
  }

  #tellSoon(): void {
    this.#telling ??= setImmediate(() => {
      this.#telling = undefined
      const change = this.#foreign.take()
      if (change !== undefined) this.#listener(change)
    })
  }
}
