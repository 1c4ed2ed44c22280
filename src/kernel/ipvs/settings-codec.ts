import type { IpvsTimeouts } from '../../model/ipvs-table.ts'
import type { IpvsInfo } from '../ipvs-kernel.ts'
import { AttributeCursor } from '../netlink/attribute-cursor.ts'
import type { MessageWriter } from '../netlink/message-writer.ts'
import { protocolError } from '../netlink/protocol-error.ts'
import { ATTR, INFO } from './constants.ts'

/** The timeouts that are given, in seconds; the kernel keeps what is not sent. */
export function encodeTimeouts(writer: MessageWriter, { tcp, tcpFin, udp }: Partial<IpvsTimeouts>): void {
  if (tcp !== undefined) writer.uint32(ATTR.timeoutTcp, tcp)
  if (tcpFin !== undefined) writer.uint32(ATTR.timeoutTcpFin, tcpFin)
  if (udp !== undefined) writer.uint32(ATTR.timeoutUdp, udp)
}

/** Reads the attributes between `from` and `to` of an answer to IPVS_CMD_GET_CONFIG. */
export function decodeTimeouts(bytes: Uint8Array, from: number, to: number): IpvsTimeouts {
  const numbers = readNumbers(bytes, from, to)
  const tcp = numbers.get(ATTR.timeoutTcp)
  const tcpFin = numbers.get(ATTR.timeoutTcpFin)
  // A kernel built without UDP has no UDP timeout: 0 is "leave it" in a write as well.
  const udp = numbers.get(ATTR.timeoutUdp)
  if (tcp === undefined && udp === undefined) throw protocolError('the timeouts are missing')
  return Object.freeze({ tcp: tcp ?? 0, tcpFin: tcpFin ?? 0, udp: udp ?? 0 })
}

/** Reads the attributes between `from` and `to` of an answer to IPVS_CMD_GET_INFO. */
export function decodeInfo(bytes: Uint8Array, from: number, to: number): IpvsInfo {
  const numbers = readNumbers(bytes, from, to)
  const version = numbers.get(INFO.version)
  const connectionTableSize = numbers.get(INFO.connectionTableSize)
  if (version === undefined || connectionTableSize === undefined) throw protocolError('the version or table size is missing')
  // NVERSION of linux/ip_vs.h: three bytes.
  return Object.freeze({ version: `${(version >> 16) & 0xff}.${(version >> 8) & 0xff}.${version & 0xff}`, connectionTableSize })
}

/** All attributes of these two answers are 32-bit numbers. */
function readNumbers(bytes: Uint8Array, from: number, to: number): ReadonlyMap<number, number> {
  const attributes = new AttributeCursor(bytes)
  const numbers = new Map<number, number>()
  attributes.over(from, to)
  while (attributes.next()) numbers.set(attributes.type, attributes.uint32())
  return numbers
}
