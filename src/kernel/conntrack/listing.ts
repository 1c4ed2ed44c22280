import { refusedInWords } from '../netfilter/refusals.ts'
import { NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR } from '../netlink/constants.ts'
import { type Refusal, readErrorReply } from '../netlink/error-reply.ts'
import { receiveDatagram } from '../netlink/exchange.ts'
import { MessageCursor } from '../netlink/message-cursor.ts'
import type { NetlinkTransport } from '../netlink/transport.ts'
import { Pace } from '../pace.ts'
import { entryDump } from './entry-codec.ts'

/** What a listing ended with. */
export interface ListingEnd {
  readonly refusal?: Refusal
  /** The kernel itself says that the table changed meanwhile. */
  readonly torn: boolean
}

/**
 * Shows every entry of the table to `visit`, each datagram of at most 32 KiB in a call into the kernel of its own, and rests in between:
 * a table of a quarter of a million flows holds nobody up. The cursor stands over `buffer`. Throws as ConntrackKernel.
 */
export async function listEntries(
  transport: NetlinkTransport,
  buffer: Uint8Array,
  visit: (message: MessageCursor) => void,
): Promise<ListingEnd> {
  const cursor = new MessageCursor(buffer)
  const pace = new Pace()
  let torn = false
  ask(() => transport.send(entryDump(1)))
  for (;;) {
    cursor.over(
      0,
      ask(() => receiveDatagram(transport, buffer)),
    )
    while (cursor.next()) {
      if ((cursor.flags & NLM_F_DUMP_INTR) !== 0) torn = true
      if (cursor.type === NLMSG_DONE) return { torn }
      if (cursor.type !== NLMSG_ERROR) visit(cursor)
      else {
        const refusal = readErrorReply(cursor)
        if (refusal !== undefined) return { torn, refusal }
      }
    }
    if (pace.late()) await pace.rest()
  }
}

function ask<T>(calls: () => T): T {
  return refusedInWords('connection tracking', calls)
}
