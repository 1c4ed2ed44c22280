import { performance } from 'node:perf_hooks'
import type DNS from 'dns2'
import { type IpAddress, parseAddress } from '../../model/address.ts'

/** What is asked. Names are lower case, without the dot at the end. */
export interface Question {
  readonly name: string
  readonly type: 'A' | 'AAAA' | 'SRV'
}

interface Common {
  readonly name: string
  /** Seconds. */
  readonly ttl: number
}

export interface AddressRecord extends Common {
  readonly type: 'A' | 'AAAA'
  readonly address: IpAddress
}

/** RFC 2782; the target is empty where `.` is written. */
export interface SrvRecord extends Common {
  readonly type: 'SRV'
  readonly priority: number
  readonly weight: number
  readonly port: number
  readonly target: string
}

export interface AliasRecord extends Common {
  readonly type: 'CNAME'
  readonly target: string
}

export interface AuthorityRecord extends Common {
  readonly type: 'SOA' | 'NS'
}

export type DnsRecord = AddressRecord | SrvRecord | AliasRecord | AuthorityRecord

/** A message as far as it concerns us: records of other types and classes are left out. */
export interface DnsMessage {
  readonly id: number
  readonly isResponse: boolean
  /** AA: the server answers from a zone of its own. */
  readonly authoritative: boolean
  /** TC. */
  readonly truncated: boolean
  /** RA: the server asks others for us. */
  readonly recursive: boolean
  readonly rcode: number
  /** Absent where the message does not hold exactly one question. */
  readonly question?: { readonly name: string; readonly type: number; readonly class: number }
  readonly answers: readonly DnsRecord[]
  readonly authorities: readonly DnsRecord[]
  readonly additionals: readonly DnsRecord[]
}

/** Bytes of an answer that we take over UDP (RFC 6891): what travels unfragmented everywhere. */
export const PAYLOAD = 1232

export const TYPE = { A: 1, NS: 2, CNAME: 5, SOA: 6, AAAA: 28, SRV: 33 } as const
const CLASS_IN = 1
/** EDNS (RFC 6891); carries the high bits of the response code. */
const OPT = 41

/** Milliseconds that one message may take to be read: names of a hostile message can be made to take seconds. */
const PATIENCE = 500

export interface MessageCodec {
  /** A query with recursion desired, with the EDNS payload size where it is wanted. */
  encode(question: Question, id: number, edns: boolean): Uint8Array
  /** The message, or undefined for bytes that are none, a record that cannot be read included. */
  decode(bytes: Uint8Array): DnsMessage | undefined
}

let loading: Promise<MessageCodec> | undefined

/** The package is loaded with the first question: it brings servers and clients of every kind, and most commands ask nothing. */
export function messageCodec(): Promise<MessageCodec> {
  loading ??= import('dns2').then((dns2) => codecOf(dns2.Packet))
  return loading
}

function codecOf(Dns: typeof DNS.Packet): MessageCodec {
  return {
    encode({ name, type }, id, edns) {
      const packet = new Dns()
      packet.header = Object.assign(new Dns.Header({ id }), { rd: 1 })
      packet.questions.push(new Dns.Question(name, TYPE[type], CLASS_IN))
      if (edns) packet.additionals.push(Dns.Resource.EDNS([], { udpPayloadSize: PAYLOAD }))
      return packet.toBuffer()
    },
    decode(bytes) {
      try {
        return read(Dns, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
      } catch {
        return undefined
      }
    },
  }
}

/** Record by record, so that the time can be watched; throws where the bytes make no sense. */
function read(Dns: typeof DNS.Packet, bytes: Buffer): DnsMessage | undefined {
  const reader = new Dns.Reader(bytes)
  const header = Dns.Header.parse(reader)
  if (header.opcode !== 0) return undefined
  const questions = Array.from({ length: Math.min(header.qdcount, 2) }, () => Dns.Question.parse(reader))
  const [question] = questions
  if (questions.length > 1) return undefined
  const section = recordReader(Dns, reader)
  // What is cut off behind TC is not data, nor is anything in front of it.
  const whole = header.tc === 0
  const answers = whole ? section(header.ancount, true) : []
  const authorities = whole ? section(header.nscount, false) : []
  const additionals = whole ? section(header.arcount, false) : []
  const extended = additionals.find(({ type }) => type === OPT)?.extendedRcode ?? 0
  return {
    id: header.id,
    isResponse: header.qr === 1,
    authoritative: header.aa === 1,
    truncated: !whole,
    recursive: header.ra === 1,
    rcode: (extended << 4) | header.rcode,
    ...(question !== undefined && { question: { ...question, name: nameOf(question.name) } }),
    answers: answers.flatMap(toRecord),
    authorities: authorities.flatMap(toRecord),
    additionals: additionals.flatMap(toRecord),
  }
}

/** Reads one section after the other. Where a section is not `vital`, a record whose data make no sense is passed over. */
function recordReader(Dns: typeof DNS.Packet, reader: DNS.Packet.Reader) {
  const end = performance.now() + PATIENCE
  return (count: number, vital: boolean): DNS.Packet.Resource[] => {
    const records: DNS.Packet.Resource[] = []
    for (let index = 0; index < count; index++) {
      if (performance.now() > end) throw new Error('the message takes too long to read')
      try {
        records.push(Dns.Resource.parse(reader))
      } catch (error) {
        if (vital || (error as { recovered?: boolean }).recovered !== true) throw error
      }
    }
    return records
  }
}

function toRecord(resource: DNS.Packet.Resource): DnsRecord[] {
  if (resource.class !== CLASS_IN) return []
  const common = { name: nameOf(resource.name), ttl: resource.ttl }
  switch (resource.type) {
    case TYPE.A:
    case TYPE.AAAA: {
      const address = parseAddress(resource.address ?? '')
      return address === undefined ? [] : [{ ...common, type: resource.type === TYPE.A ? 'A' : 'AAAA', address }]
    }
    case TYPE.SRV: {
      const { priority = 0, weight = 0, port = 0, target = '' } = resource
      return [{ ...common, type: 'SRV', priority, weight, port, target: nameOf(target) }]
    }
    case TYPE.CNAME:
      return [{ ...common, type: 'CNAME', target: nameOf(resource.domain ?? '') }]
    case TYPE.SOA:
      return [{ ...common, type: 'SOA' }]
    case TYPE.NS:
      return [{ ...common, type: 'NS' }]
    default:
      return []
  }
}

/** Names are compared without case (RFC 4343). */
function nameOf(text: string): string {
  return text.toLowerCase().replace(/\.$/, '')
}
