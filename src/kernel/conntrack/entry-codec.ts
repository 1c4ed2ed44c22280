import { NETFILTER_HEADER, NFNL_SUBSYS_CTNETLINK, NFPROTO_UNSPEC, netfilterType } from '../netfilter/constants.ts'
import { netfilterRequest } from '../netfilter/request.ts'
import { AttributeCursor } from '../netlink/attribute-cursor.ts'
import { ATTRIBUTE_HEADER, align4, MESSAGE_HEADER, NLM_F_ACK, NLM_F_DUMP } from '../netlink/constants.ts'
import type { MessageCursor } from '../netlink/message-cursor.ts'
import {
  CTA_ID,
  CTA_IP_V4_DST,
  CTA_IP_V4_SRC,
  CTA_IP_V6_DST,
  CTA_IP_V6_SRC,
  CTA_PROTO_DST_PORT,
  CTA_PROTO_NUM,
  CTA_PROTO_SRC_PORT,
  CTA_STATUS,
  CTA_TUPLE_IP,
  CTA_TUPLE_ORIG,
  CTA_TUPLE_PROTO,
  CTA_TUPLE_REPLY,
  CTA_ZONE,
  IPCTNL_MSG_CT_DELETE,
  IPCTNL_MSG_CT_GET,
  IPCTNL_MSG_CT_NEW,
  IPS_DST_NAT,
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

/** Which flows are meant: those towards one of the destinations, and those that IPVS sent to one of the backends, unless they went to one of the others. */
export interface FlowTargets {
  readonly destinations: Targets
  readonly backends: Targets
  readonly others: Targets
}

/** Finds entries of `targets` that carry no source translation and were never answered among the messages of a listing; others cost no object. */
export class UntranslatedEntries {
  readonly #targets: FlowTargets
  readonly #bytes: Uint8Array
  readonly #entry: AttributeCursor
  readonly #original: TupleEnd
  readonly #reply: TupleEnd

  constructor(targets: FlowTargets, bytes: Uint8Array) {
    this.#targets = targets
    this.#bytes = bytes
    this.#entry = new AttributeCursor(bytes)
    this.#original = new TupleEnd(bytes, 'destination')
    this.#reply = new TupleEnd(bytes, 'source')
  }

  /** The identity of the entry that `message`, over the same bytes, stands on, if it is one of those. Throws NETLINK_PROTOCOL. */
  identityOf(message: MessageCursor): EntryIdentity | undefined {
    if (message.type !== ENTRY) return undefined
    const entry = this.#entry
    entry.over(message.body + NETFILTER_HEADER, message.end)
    let towards = false
    let sentTo = false
    let status = IPS_SRC_NAT
    while (entry.next()) {
      if (entry.type === CTA_STATUS) status = entry.networkUint32()
      else if (entry.type === CTA_TUPLE_REPLY && !towards) sentTo = this.#isSentToBackend(entry)
      else if (entry.type === CTA_TUPLE_ORIG) {
        towards = this.#isTowardsTarget(entry)
        if (!towards && this.#targets.backends.empty) return undefined
      }
    }
    if ((status & (IPS_SRC_NAT | IPS_SEEN_REPLY)) !== 0) return undefined
    // What a rule of NAT sent to that backend is not IPVS's.
    return towards || (sentTo && (status & IPS_DST_NAT) === 0) ? this.#identity(message) : undefined
  }

  #isTowardsTarget({ start, length }: AttributeCursor): boolean {
    this.#original.read(start, start + length)
    return this.#original.isOneOf(this.#targets.destinations)
  }

  /** The kernel sends the original tuple first. Whose replies come from where it went to was sent nowhere else: a connection of its own to that backend. */
  #isSentToBackend({ start, length }: AttributeCursor): boolean {
    this.#reply.read(start, start + length)
    const { backends, others } = this.#targets
    return this.#reply.isOneOf(backends) && !this.#reply.hasAddressOf(this.#original) && !this.#original.isOneOf(others)
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

/** One end of a tuple, where it stands in the bytes. */
class TupleEnd {
  readonly #bytes: Uint8Array
  readonly #tuple: AttributeCursor
  readonly #part: AttributeCursor
  readonly #four: number
  readonly #six: number
  readonly #ports: number
  #address = 0
  #length = 0
  #protocol = 0
  #port = -1

  constructor(bytes: Uint8Array, end: 'source' | 'destination') {
    this.#bytes = bytes
    this.#tuple = new AttributeCursor(bytes)
    this.#part = new AttributeCursor(bytes)
    this.#four = end === 'source' ? CTA_IP_V4_SRC : CTA_IP_V4_DST
    this.#six = end === 'source' ? CTA_IP_V6_SRC : CTA_IP_V6_DST
    this.#ports = end === 'source' ? CTA_PROTO_SRC_PORT : CTA_PROTO_DST_PORT
  }

  read(from: number, to: number): void {
    const tuple = this.#tuple
    const part = this.#part
    this.#length = 0
    this.#protocol = 0
    this.#port = -1
    tuple.over(from, to)
    while (tuple.next()) {
      if (tuple.type !== CTA_TUPLE_IP && tuple.type !== CTA_TUPLE_PROTO) continue
      const isAddress = tuple.type === CTA_TUPLE_IP
      part.over(tuple.start, tuple.start + tuple.length)
      while (part.next()) {
        if (isAddress && this.#isAddress(part)) {
          this.#address = part.start
          this.#length = part.length
        } else if (!isAddress && part.type === CTA_PROTO_NUM) this.#protocol = part.uint8()
        else if (!isAddress && part.type === this.#ports) this.#port = part.port()
      }
    }
  }

  isOneOf(targets: Targets): boolean {
    return this.#length > 0 && targets.has(this.#bytes, this.#address, this.#length, this.#protocol, this.#port)
  }

  hasAddressOf(other: TupleEnd): boolean {
    if (this.#length !== other.#length) return false
    for (let at = 0; at < this.#length; at++) {
      if (this.#bytes[this.#address + at] !== this.#bytes[other.#address + at]) return false
    }
    return true
  }

  #isAddress({ type, length }: AttributeCursor): boolean {
    return (type === this.#four && length === 4) || (type === this.#six && length === 16)
  }
}
