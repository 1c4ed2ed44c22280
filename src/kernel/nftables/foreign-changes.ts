import type { NftChange } from '../nftables-kernel.ts'
import type { Transaction } from './transactions.ts'

/** Tells the transactions of others from our own, which are known by their generation only after they are done. */
export class ForeignChanges {
  #holding = false
  #lost = false
  /** Heard while one of ours is under way: each may be it. */
  #undecided: Transaction[] = []
  #foreign: Transaction[] = []

  hear(transaction: Transaction): void {
    if (this.#holding) this.#undecided.push(transaction)
    else this.#foreign.push(transaction)
  }

  hearLoss(): void {
    this.#lost = true
  }

  /** A transaction of ours begins: what is heard from now on is not told before `release`. */
  hold(): void {
    this.#holding = true
  }

  /** It is over; `own` is the generation that it made, where it did and where that is certain. */
  release(own: number | undefined): void {
    this.#holding = false
    this.#foreign.push(...this.#undecided.filter(({ generation }) => generation !== own))
    this.#undecided = []
  }

  /** What others did since it was taken last. */
  take(): NftChange | undefined {
    if (!this.#lost && this.#foreign.length === 0) return undefined
    const tables = this.#lost ? undefined : new Set(this.#foreign.flatMap(({ tables }) => [...tables]))
    this.#lost = false
    this.#foreign = []
    return { tables }
  }
}
