import { addressFromBytes } from '../model/address.ts'
import { DNS_BYTE_TYPES } from '../model/probe-spec.ts'
import type { DnsType } from './dns-message.ts'
import { decimal, readName, slice } from './dns-name.ts'

/** Where a record's data lie in a message. */
export interface DataPlace {
  readonly type: DnsType
  readonly begin: number
  readonly end: number
}

/** A record's data as dig prints them, `10 mail.web.example.`, or as bytes, `\# 4 C0000201`. Throws a RangeError where they make no sense. */
export function dataText(message: Buffer, { type, begin, end }: DataPlace): string {
  const name = (at: number) => readName(message, at)
  const short = (at: number) => message.readUInt16BE(at)
  switch (type) {
    case 'A':
    case 'AAAA': {
      const bytes = slice(message, begin, end - begin)
      if (bytes.length !== (type === 'A' ? 4 : 16)) throw new RangeError('the address has another length')
      return addressFromBytes(bytes)
    }
    case 'CNAME':
    case 'NS':
    case 'PTR':
      return name(begin).name
    case 'MX':
      return `${short(begin)} ${name(begin + 2).name}`
    case 'SRV':
      return `${short(begin)} ${short(begin + 2)} ${short(begin + 4)} ${name(begin + 6).name}`
    case 'SOA': {
      const primary = name(begin)
      const mailbox = name(primary.end)
      const numbers = Array.from({ length: 5 }, (_, index) => message.readUInt32BE(mailbox.end + index * 4))
      return [primary.name, mailbox.name, ...numbers].join(' ')
    }
    case 'TXT':
      return texts(slice(message, begin, end - begin))
        .map(quoted)
        .join(' ')
    case 'CAA': {
      const length = message.readUInt8(begin + 1)
      const value = begin + 2 + length
      if (value > end) throw new RangeError('the tag ends behind the data')
      return `${message.readUInt8(begin)} ${slice(message, begin + 2, length).toString('latin1')} ${quoted(message.subarray(value, end))}`
    }
    default: {
      const bytes = slice(message, begin, end - begin)
      return `\\# ${bytes.length} ${bytes.toString('hex').toUpperCase()}`
    }
  }
}

/** Strings behind their lengths. */
function texts(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 1 + bytes.readUInt8(at)) parts.push(slice(bytes, at + 1, bytes.readUInt8(at)))
  return parts
}

function quoted(bytes: Buffer): string {
  const characters = Array.from(bytes, (byte) => {
    const character = String.fromCharCode(byte)
    if (byte < 0x20 || byte > 0x7e) return decimal(byte)
    return character === '"' || character === '\\' ? `\\${character}` : character
  })
  return `"${characters.join('')}"`
}

function isBytes(type: DnsType): boolean {
  return DNS_BYTE_TYPES.some((one) => one === type)
}

/** Data as people write them, in the form in which equal data are equal texts: names without case and without the last dot. */
export function comparable(text: string, type: DnsType): string {
  const trimmed = text.trim()
  if (type === 'TXT') return trimmed.startsWith('"') ? trimmed : quoted(Buffer.from(trimmed))
  if (type === 'CAA') return trimmed
  if (isBytes(type)) {
    // Long ones are printed in parts.
    const [mark, length, ...parts] = trimmed.toUpperCase().split(/\s+/)
    return `${mark} ${length} ${parts.join('')}`
  }
  return trimmed
    .toLowerCase()
    .split(/\s+/)
    .map((word) => (word === '.' ? word : word.replace(/\.$/, '')))
    .join(' ')
}
