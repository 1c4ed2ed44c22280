import { NETFILTER_HEADER, NFNL_SUBSYS_NFTABLES } from '../netfilter/constants.ts'
import { AttributeCursor } from '../netlink/attribute-cursor.ts'
import { MESSAGE_HEADER } from '../netlink/constants.ts'
import { MessageCursor } from '../netlink/message-cursor.ts'
import { FAMILY_NAMES, NFTA_TABLE } from './constants.ts'
import { generationOf, NEW_GENERATION } from './generation.ts'

/** One transaction that somebody made. */
export interface Transaction {
  readonly generation: number
  /** Tables of which something was changed, each as `inet pointsman`. */
  readonly tables: ReadonlySet<string>
}

/** Puts the messages of NFNLGRP_NFTABLES together: what a transaction changed comes first, the new generation closes it. */
export class TransactionReader {
  #tables = new Set<string>()
  /** Family and name of the last message's table as they came: ten thousand elements of one table are read as one name. */
  #lastFamily = -1
  #lastName: Uint8Array = new Uint8Array()

  /** The transactions that a datagram closes. Throws NETLINK_PROTOCOL. */
  read(datagram: Uint8Array): Transaction[] {
    const closed: Transaction[] = []
    const message = new MessageCursor(datagram)
    const attribute = new AttributeCursor(datagram)
    while (message.next()) {
      if (message.type === NEW_GENERATION) {
        closed.push({ generation: generationOf(message), tables: this.#tables })
        this.forget()
      } else if (message.type >> 8 === NFNL_SUBSYS_NFTABLES) this.#note(message, attribute)
    }
    return closed
  }

  /** Messages were lost: what was read of a transaction is no longer of use. */
  forget(): void {
    this.#tables = new Set()
    this.#lastFamily = -1
  }

  #note(message: MessageCursor, attribute: AttributeCursor): void {
    const family = message.bytes[message.start + MESSAGE_HEADER] ?? -1
    attribute.over(message.body + NETFILTER_HEADER, message.end)
    while (attribute.next()) {
      if (attribute.type !== NFTA_TABLE) continue
      const name = attribute.value()
      if (family === this.#lastFamily && Buffer.compare(name, this.#lastName) === 0) return
      this.#lastFamily = family
      this.#lastName = name.slice()
      this.#tables.add(`${FAMILY_NAMES.get(family) ?? family} ${attribute.text()}`)
      return
    }
  }
}
