import { LITTLE_ENDIAN } from './libc.ts'
import { AttributeCursor } from './netlink/attribute-cursor.ts'
import { MESSAGE_HEADER, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST } from './netlink/constants.ts'
import { exchange, LARGEST_DATAGRAM } from './netlink/exchange.ts'
import { openNetlinkSocket } from './netlink/netlink-socket.ts'
import { protocolError } from './netlink/protocol-error.ts'
import type { NetlinkTransport } from './netlink/transport.ts'

/** Numbers of `linux/netlink.h`, `linux/rtnetlink.h` and `linux/fib_rules.h`. */
const NETLINK_ROUTE = 0
const RTM_NEWRULE = 32
const RTM_GETRULE = 34
const FRA_FWMARK = 10
const FRA_FWMASK = 16
/** `struct fib_rule_hdr`. */
const RULE_HEADER = 12

/** What a routing rule asks of a packet's mark: under `mask` its bits are those of `mark`. */
export interface RuleMark {
  readonly mark: number
  readonly mask: number
}

/** The marks that routing rules of either family look at (ip-rule(8), `fwmark`). Throws SystemCallError and NETLINK_PROTOCOL. */
export function readRuleMarks(open: () => NetlinkTransport = () => openNetlinkSocket(NETLINK_ROUTE)): readonly RuleMark[] {
  using transport = open()
  const buffer = Buffer.alloc(LARGEST_DATAGRAM)
  const attribute = new AttributeCursor(buffer)
  const marks: RuleMark[] = []
  const refusal = exchange(transport, request(), buffer, ({ type, body, end }) => {
    if (type !== RTM_NEWRULE) return
    if (end - body < RULE_HEADER) throw protocolError('a routing rule is cut short')
    attribute.over(body + RULE_HEADER, end)
    let mark = 0
    let mask = 0
    while (attribute.next()) {
      if (attribute.type === FRA_FWMARK) mark = attribute.uint32()
      if (attribute.type === FRA_FWMASK) mask = attribute.uint32()
    }
    if (mask !== 0) marks.push({ mark, mask })
  })
  // A kernel without policy routing has no rules (EOPNOTSUPP, which Node calls ENOTSUP).
  if (refusal?.errno === 'ENOTSUP') return []
  if (refusal !== undefined) throw protocolError(`the routing rules are refused with ${refusal.errno}`)
  return marks
}

function request(): Uint8Array {
  const bytes = new Uint8Array(MESSAGE_HEADER + RULE_HEADER)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, bytes.length, LITTLE_ENDIAN)
  view.setUint16(4, RTM_GETRULE, LITTLE_ENDIAN)
  view.setUint16(6, NLM_F_REQUEST | NLM_F_ACK | NLM_F_DUMP, LITTLE_ENDIAN)
  view.setUint32(8, 1, LITTLE_ENDIAN)
  // Family 0 (AF_UNSPEC): the rules of every family.
  return bytes
}
