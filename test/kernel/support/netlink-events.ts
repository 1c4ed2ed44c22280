/**
 * What the kernel told its listeners of rules and addresses, from a capture of a netlink monitor device. Own constants on purpose
 * (linux/netfilter/nf_tables.h, linux/rtnetlink.h).
 */

import { messagesIn, NETLINK_NETFILTER, NETLINK_ROUTE, packetsOf, readAttributes } from './netlink-capture.ts'

/** For tcpdump: neither requests nor the answers to dumps. Byte 22 is the low byte of the flags of the first message behind the cooked header. */
export const ONLY_EVENTS = `(link[14:2] = ${NETLINK_NETFILTER} or link[14:2] = ${NETLINK_ROUTE}) and link[22] & 3 = 0`

export interface NetlinkEvent {
  /** `delete table pointsman`, `add element pointsman vip4`, `add address 10.1.0.200`. */
  readonly what: string
  /** When the kernel sent it, in milliseconds since the epoch. */
  readonly at: number
}

/** In the high byte of the type. */
const NFTABLES = 10
const OF_TABLES: ReadonlyMap<number, string> = new Map([
  [0, 'add table'],
  [2, 'delete table'],
])
const OF_ELEMENTS: ReadonlyMap<number, string> = new Map([
  [12, 'add element'],
  [14, 'delete element'],
])
const OF_ADDRESSES: ReadonlyMap<number, string> = new Map([
  [20, 'add address'],
  [21, 'delete address'],
])

/** The events in order, as far as the capture goes. */
export function netlinkEvents(capture: Buffer): NetlinkEvent[] {
  const events: NetlinkEvent[] = []
  for (const packet of packetsOf(capture)) {
    for (const { type, body } of messagesIn(packet)) {
      const what = packet.protocol === NETLINK_NETFILTER ? ofRules(type, body) : ofAddresses(type, body)
      if (what !== undefined) events.push({ what, at: packet.at })
    }
  }
  return events
}

function ofRules(type: number, body: Buffer): string | undefined {
  if (type >> 8 !== NFTABLES) return undefined
  const [table, element] = [OF_TABLES.get(type & 0xff), OF_ELEMENTS.get(type & 0xff)]
  // Behind the header of netfilter.
  const attributes = readAttributes(body.subarray(4))
  const name = (number: number) => attributes.get(number)?.toString('latin1').replace(/\0$/, '')
  if (table !== undefined) return `${table} ${name(1)}`
  return element && `${element} ${name(1)} ${name(2)}`
}

function ofAddresses(type: number, body: Buffer): string | undefined {
  const verb = OF_ADDRESSES.get(type)
  // Of IPv4 alone; behind the header of an address.
  const local = readAttributes(body.subarray(8)).get(2)
  return verb && local && `${verb} ${[...local].join('.')}`
}
