import { NETFILTER_HEADER, NFNL_SUBSYS_CTNETLINK, NFPROTO_UNSPEC, netfilterType } from '../netfilter/constants.ts'
import { netfilterRequest } from '../netfilter/request.ts'
import { AttributeCursor } from '../netlink/attribute-cursor.ts'
import { ATTRIBUTE_HEADER, align4, MESSAGE_HEADER, NLM_F_ACK, NLM_F_DUMP } from '../netlink/constants.ts'
import type { MessageCursor } from '../netlink/message-cursor.ts'
import {
  CTA_ID,
  CTA_IP_V4_DST,
  CTA_IP_V6_DST,
  CTA_PROTO_DST_PORT,
  CTA_PROTO_NUM,
  CTA_STATUS,
  CTA_TUPLE_IP,
  CTA_TUPLE_ORIG,
  CTA_TUPLE_PROTO,
  CTA_ZONE,
  IPCTNL_MSG_CT_DELETE,
  IPCTNL_MSG_CT_GET,
  IPCTNL_MSG_CT_NEW,
  IPS_SEEN_REPLY,
  IPS_SRC_NAT,
} from './constants.ts'
import type { Targets } from './targets.ts'

const ENTRY = netfilterType(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW)

/** Lists the entries of both families. */
export function entryDump(sequence: number): Uint8Array {
  const type = netfilterType(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET)
  return netfilterRequest({ type, flags: NLM_F_DUMP, sequence, family: NFPROTO_UNSPEC })
}

/** What tells an entry from all others: attributes as the kernel sent them, and AF_INET or AF_INET6. */
export interface EntryIdentity {
  readonly family: number
  /** CTA_TUPLE_ORIG first; then CTA_ZONE and CTA_ID, where the kernel sent them. */
  readonly attributes: readonly [Uint8Array, ...Uint8Array[]]
}

/** Deletes one entry. Without CTA_TUPLE_ORIG the kernel would take the message for an order to delete all of them. */
export function entryDeletion({ family, attributes }: EntryIdentity, sequence: number): Uint8Array {
  const type = netfilterType(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE)
  return netfilterRequest({ type, flags: NLM_F_ACK, sequence, family, attributes })
}

/** Finds entries of `targets` that carry no source translation and were never answered among the messages of a listing; others cost no object. */
export class UntranslatedEntries {
  readonly #targets: Targets
  readonly #bytes: Uint8Array
  readonly #entry: AttributeCursor
  readonly #tuple: AttributeCursor
  readonly #part: AttributeCursor

  constructor(targets: Targets, bytes: Uint8Array) {
    this.#targets = targets
    this.#bytes = bytes
    this.#entry = new AttributeCursor(bytes)
    this.#tuple = new AttributeCursor(bytes)
    this.#part = new AttributeCursor(bytes)
  }

  /** The identity of the entry that `message`, over the same bytes, stands on, if it is one of those. Throws NETLINK_PROTOCOL. */
  identityOf(message: MessageCursor): EntryIdentity | undefined {
    if (message.type !== ENTRY) return undefined
    const entry = this.#entry
    entry.over(message.body + NETFILTER_HEADER, message.end)
    let meant = false
    let untranslated = false
    while (entry.next()) {
      if (entry.type === CTA_STATUS) untranslated = (entry.networkUint32() & (IPS_SRC_NAT | IPS_SEEN_REPLY)) === 0
      if (entry.type === CTA_TUPLE_ORIG) meant = this.#isTarget(entry.start, entry.start + entry.length)
      if (entry.type === CTA_TUPLE_ORIG && !meant) return undefined
    }
    return meant && untranslated ? this.#identity(message) : undefined
  }

  #isTarget(from: number, to: number): boolean {
    const tuple = this.#tuple
    const part = this.#part
    let address = 0
    let length = 0
    let protocol = 0
    let port = -1
    tuple.over(from, to)
    while (tuple.next()) {
      if (tuple.type !== CTA_TUPLE_IP && tuple.type !== CTA_TUPLE_PROTO) continue
      const isAddress = tuple.type === CTA_TUPLE_IP
      part.over(tuple.start, tuple.start + tuple.length)
      while (part.next()) {
        if (isAddress && isDestination(part)) {
          address = part.start
          length = part.length
        } else if (!isAddress && part.type === CTA_PROTO_NUM) protocol = part.uint8()
        else if (!isAddress && part.type === CTA_PROTO_DST_PORT) port = part.port()
      }
    }
    return length > 0 && this.#targets.has(this.#bytes, address, length, protocol, port)
  }

  #identity(message: MessageCursor): EntryIdentity | undefined {
    const entry = this.#entry
    let tuple: Uint8Array | undefined
    const others: Uint8Array[] = []
    entry.over(message.body + NETFILTER_HEADER, message.end)
    while (entry.next()) {
      if (entry.type === CTA_TUPLE_ORIG) tuple = this.#copy(entry)
      if (entry.type === CTA_ZONE || entry.type === CTA_ID) others.push(this.#copy(entry))
    }
    const family = this.#bytes[message.start + MESSAGE_HEADER] ?? NFPROTO_UNSPEC
    return tuple && { family, attributes: [tuple, ...others] }
  }

  /** With its header and padding. */
  #copy(attribute: AttributeCursor): Uint8Array {
    const start = attribute.start - ATTRIBUTE_HEADER
    return this.#bytes.slice(start, start + ATTRIBUTE_HEADER + align4(attribute.length))
  }
}

function isDestination({ type, length }: AttributeCursor): boolean {
  return (type === CTA_IP_V4_DST && length === 4) || (type === CTA_IP_V6_DST && length === 16)
}
