import type { NftChange } from '../nftables-kernel.ts'
import type { Transaction } from './transactions.ts'

/** Tells the transactions of others from our own, which are known by their generation only after they are done. */
export class ForeignChanges {
  #holding = false
  #lost = false
  #transactions: Transaction[] = []

  hear(transaction: Transaction): void {
    this.#transactions.push(transaction)
  }

  hearLoss(): void {
    this.#lost = true
  }

  /** A transaction of ours begins: nothing is told before `release`. */
  hold(): void {
    this.#holding = true
  }

  /** It is over; `own` is the generation that it made, where it did and where that is certain. */
  release(own: number | undefined): void {
    this.#holding = false
    this.#transactions = this.#transactions.filter(({ generation }) => generation !== own)
  }

  /** What others did since it was taken last. */
  take(): NftChange | undefined {
    if (this.#holding || (!this.#lost && this.#transactions.length === 0)) return undefined
    const tables = this.#lost ? undefined : new Set(this.#transactions.flatMap(({ tables }) => [...tables]))
    this.#lost = false
    this.#transactions = []
    return { tables }
  }
}
