import type { DNS_PROBE_TYPES } from '../model/probe-spec.ts'
import { dataText } from './dns-data.ts'
import { readName, skipName } from './dns-name.ts'

export type DnsType = (typeof DNS_PROBE_TYPES)[number]

/** Numbers of the types (RFC 1035, 3.2.2; 2782, 3403, 3596, 4034, 6698, 8659, 9460). */
export const TYPE_CODES: Readonly<Record<DnsType, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  DS: 43,
  RRSIG: 46,
  DNSKEY: 48,
  TLSA: 52,
  SVCB: 64,
  HTTPS: 65,
  CAA: 257,
}

const CLASS_IN = 1
const HEADER = 12

/** What is asked. The name without the dot at its end; empty is the root. */
export interface DnsQuestion {
  readonly name: string
  readonly type: DnsType
}

/** An answer, as far as it was asked for. */
export interface DnsAnswer {
  /** TC: records are missing. */
  readonly truncated: boolean
  /** 0–15. */
  readonly rcode: number
  /** Data of the answers of the type asked for, as dig prints them, or as bytes. */
  readonly data: readonly string[]
}

/** A query with recursion desired (RFC 1035, 4.1). `id` 0–65535. */
export function encodeQuery({ name, type }: DnsQuestion, id: number): Buffer {
  const labels = name === '' ? [] : name.split('.').map((label) => Buffer.from(label, 'latin1'))
  const header = Buffer.alloc(HEADER)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(0x0100, 2)
  header.writeUInt16BE(1, 4)
  const rest = Buffer.alloc(5)
  rest.writeUInt16BE(TYPE_CODES[type], 1)
  rest.writeUInt16BE(CLASS_IN, 3)
  return Buffer.concat([header, ...labels.flatMap((label) => [Buffer.of(label.length), label]), rest])
}

/** The answer to exactly that query; undefined for every other message, and for bytes that are none. */
export function decodeAnswer(message: Buffer, { name, type }: DnsQuestion, id: number): DnsAnswer | undefined {
  try {
    const flags = message.readUInt16BE(2)
    if (message.readUInt16BE(0) !== id || (flags & 0xf800) !== 0x8000 || message.readUInt16BE(4) !== 1) return undefined
    const asked = readName(message, HEADER)
    if (asked.name.toLowerCase() !== `${name.toLowerCase()}.`) return undefined
    if (message.readUInt16BE(asked.end) !== TYPE_CODES[type] || message.readUInt16BE(asked.end + 2) !== CLASS_IN) return undefined
    const truncated = (flags & 0x0200) !== 0
    return { truncated, rcode: flags & 0xf, data: truncated ? [] : answersIn(message, asked.end + 4, type) }
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** Throws a RangeError where the message ends too early or makes no sense. */
function answersIn(message: Buffer, start: number, type: DnsType): string[] {
  const count = message.readUInt16BE(6)
  const data: string[] = []
  let at = start
  for (let index = 0; index < count; index++) {
    const head = skipName(message, at)
    const begin = head + 10
    const end = begin + message.readUInt16BE(head + 8)
    if (end > message.length) throw new RangeError('the data end behind the message')
    const wanted = message.readUInt16BE(head) === TYPE_CODES[type] && message.readUInt16BE(head + 2) === CLASS_IN
    if (wanted) data.push(dataText(message, { type, begin, end }))
    at = end
  }
  return data
}
