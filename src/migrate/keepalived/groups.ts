import { addressBytes, addressFromBytes, familyOf, type IpAddress, parseAddress } from '../../model/address.ts'
import type { LeftOut } from '../imported.ts'
import { leftOut } from './notes.ts'
import type { Directive } from './tree.ts'
import { wholeNumber } from './values.ts'

/** What clients connect to, before the protocol is known. */
export type Target =
  | { readonly kind: 'address'; readonly address: IpAddress; readonly port: number }
  | { readonly kind: 'fwmark'; readonly fwmark: number; readonly family?: 'ipv4' | 'ipv6' }

/** A `virtual_server_group`: one pool for all of these. */
export interface Group {
  readonly directive: Directive
  readonly targets: readonly (Target & { readonly directive: Directive })[]
}

/** Services that one range may become. */
const MOST = 1024

const RANGE = 'write the addresses one by one, or mark the packets by a firewall rule and write one service with fwmark'

/** The words behind `virtual_server`, or one line of a group without ranges: `ADDRESS [PORT]` or `fwmark NUMBER [inet|inet6]`. */
export function targetOf(words: readonly string[]): Target | undefined {
  const [first = '', second, third] = words
  if (first === 'fwmark') {
    const fwmark = wholeNumber(second)
    const family = third === 'inet' ? 'ipv4' : third === 'inet6' ? 'ipv6' : undefined
    return fwmark === undefined ? undefined : { kind: 'fwmark', fwmark, ...(family !== undefined && { family }) }
  }
  const address = parseAddress(first)
  const port = second === undefined ? 0 : wholeNumber(second)
  return address === undefined || port === undefined ? undefined : { kind: 'address', address, port }
}

export function readGroup(directive: Directive, notes: LeftOut[]): Group {
  const targets = (directive.block ?? []).flatMap((entry): Group['targets'] => {
    const words = [entry.name, ...entry.words]
    const single = targetOf(words)
    if (single !== undefined) return [{ ...single, directive: entry }]
    const addresses = rangeOf(entry.name)
    const port = words.length === 1 ? 0 : wholeNumber(words[1])
    if (addresses === undefined || port === undefined) {
      notes.push(leftOut(entry, 'this is no address, range or firewall mark', 'write the services that are meant'))
      return []
    }
    if (addresses === 'too many') {
      notes.push(leftOut(entry, `the range would become more than ${MOST} services`, RANGE))
      return []
    }
    return addresses.map((address) => ({ kind: 'address', address, port, directive: entry }))
  })
  return { directive, targets }
}

/** `10.0.0.1-10`, `ae00::2-9`, `10.0.0.250-10.0.1.10`, `10.0.0.8/29`. */
function rangeOf(text: string): readonly IpAddress[] | 'too many' | undefined {
  const [, network, length] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
  if (network !== undefined) return networkOf(network, Number(length))
  const [, first = '', last = ''] = /^([^-]+)-([^-]+)$/.exec(text) ?? []
  const from = parseAddress(first)
  if (from === undefined) return undefined
  const separator = familyOf(from) === 'ipv4' ? '.' : ':'
  const to = parseAddress(last.includes(separator) ? last : first.replace(/[^.:]*$/, last))
  if (to === undefined || familyOf(to) !== familyOf(from)) return undefined
  return between(numberOf(from), numberOf(to), familyOf(from))
}

function networkOf(network: string, length: number): readonly IpAddress[] | 'too many' | undefined {
  const address = parseAddress(network)
  if (address === undefined) return undefined
  const bits = familyOf(address) === 'ipv4' ? 32 : 128
  if (length > bits) return undefined
  const size = 1n << BigInt(bits - length)
  const first = (numberOf(address) / size) * size
  return between(first, first + size - 1n, familyOf(address))
}

function between(from: bigint, to: bigint, family: 'ipv4' | 'ipv6'): readonly IpAddress[] | 'too many' | undefined {
  if (to < from) return undefined
  if (to - from >= BigInt(MOST)) return 'too many'
  return Array.from({ length: Number(to - from) + 1 }, (_, index) => textOf(from + BigInt(index), family))
}

function numberOf(address: IpAddress): bigint {
  return addressBytes(address).reduce((number, byte) => (number << 8n) | BigInt(byte), 0n)
}

function textOf(number: bigint, family: 'ipv4' | 'ipv6'): IpAddress {
  const digits = number.toString(16).padStart(family === 'ipv4' ? 8 : 32, '0')
  return addressFromBytes(Uint8Array.from(Buffer.from(digits, 'hex')))
}
