import type { LeftOut, Written } from '../imported.ts'
import { type Counterparts, unknown } from './notes.ts'
import type { Directive } from './tree.ts'

const ANYTHING = 'write expect: with what the answer must contain'

const KNOWN: Counterparts = {
  min_reply_length: ['lengths of answers are not compared', ANYTHING],
  max_reply_length: ['lengths of answers are not compared', ANYTHING],
  ping_check_off: ['there is no probe by ICMP anyway', 'do nothing'],
}

/** The section `udp` of a UDP_CHECK. Without `payload` keepalived sends random bytes. */
export function udpSection(others: readonly Directive[], notes: LeftOut[], connection: Counterparts): Written {
  let send = 'pointsman'
  let expect: Written = {}
  for (const other of others) {
    const hex = other.words.join(' ')
    const pattern = other.name === 'require_reply' ? patternOf(hex) : undefined
    if (other.name === 'payload' && bytesOf(hex) !== undefined) send = bytesOf(hex) ?? send
    else if (pattern !== undefined) expect = { expect: { pattern } }
    else notes.push(unknown(other, { ...connection, ...KNOWN }))
  }
  return { send, ...expect }
}

/** `Ab12f 3 456` is AB 12 0F 03 45 06: two digits to a byte, and a single one before a blank is a byte of its own. */
function digitsOf(hex: string): readonly string[] {
  return hex
    .split(/\s+/)
    .flatMap((word) => word.match(/.{1,2}/g) ?? [])
    .map((byte) => byte.padStart(2, '0').toLowerCase())
}

function bytesOf(hex: string): string | undefined {
  const bytes = digitsOf(hex)
  if (bytes.length === 0 || !bytes.every((byte) => /^[0-9a-f]{2}$/.test(byte))) return undefined
  return String.fromCharCode(...bytes.map((byte) => Number.parseInt(byte, 16)))
}

const NIBBLES = [...'0123456789abcdef']

/** The answer begins with these bytes; `x` stands for any half of a byte, and no digits for any answer. */
function patternOf(hex: string): string | undefined {
  const bytes = digitsOf(hex)
  if (bytes.length === 0) return '[^]'
  if (!bytes.every((byte) => /^[0-9a-fx]{2}$/.test(byte))) return undefined
  const patterns = bytes.map((byte) => {
    const [high = '', low = ''] = byte
    if (high !== 'x' && low !== 'x') return `\\x${byte}`
    if (high !== 'x') return `[\\x${high}0-\\x${high}f]`
    return low === 'x' ? '[^]' : `[${NIBBLES.map((nibble) => `\\x${nibble}${low}`).join('')}]`
  })
  return `^${patterns.join('')}`
}
