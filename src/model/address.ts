import { isIPv4, isIPv6 } from 'node:net'
import type { Brand } from './brand.ts'

/** Canonical text of an IPv4 or IPv6 address (RFC 5952 for IPv6); equal addresses are equal strings. */
export type IpAddress = Brand<string, 'IpAddress'>

/** The two families that IPVS knows (AF_INET, AF_INET6). */
export type AddressFamily = 'ipv4' | 'ipv6'

/** A port number 0–65535; 0 means "every port" where IPVS allows it. */
export type Port = number

/** Family of a canonical address. */
export function familyOf(address: IpAddress): AddressFamily {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}

/** Of fe80::/10. */
export function isLinkLocal(address: IpAddress): boolean {
  return /^fe[89ab]/.test(address)
}

/**
 * Reads an address as people write it and gives its canonical text, or undefined when it is not a literal address.
 * IPv4 needs four plain decimal parts (no leading zeros, no hexadecimal); an IPv4-mapped IPv6 address becomes IPv4,
 * because the kernel treats both as the same host; zone identifiers (`%eth0`) are refused.
 */
export function parseAddress(text: string): IpAddress | undefined {
  if (isIPv4(text)) return text as IpAddress
  if (!isIPv6(text) || text.includes('%')) return undefined
  const bytes = ipv6Bytes(text)
  return addressFromBytes(isMappedIpv4(bytes) ? bytes.subarray(12) : bytes)
}

/** The 4 or 16 bytes of a canonical address in network order. */
export function addressBytes(address: IpAddress): Uint8Array {
  if (familyOf(address) === 'ipv4') return Uint8Array.from(address.split('.'), Number)
  return ipv6Bytes(address)
}

/** Canonical text of 4 or 16 bytes in network order. */
export function addressFromBytes(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) return bytes.join('.') as IpAddress
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0))
  return compress(groups) as IpAddress
}

/** `10.0.0.1:80` or `[2001:db8::1]:80`. */
export function formatEndpoint(address: IpAddress, port: Port): string {
  return familyOf(address) === 'ipv6' ? `[${address}]:${port}` : `${address}:${port}`
}

function isMappedIpv4(bytes: Uint8Array): boolean {
  return bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff
}

function ipv6Bytes(text: string): Uint8Array {
  const withoutDotted = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    const hex = (high: string, low: string) => ((Number(high) << 8) | Number(low)).toString(16)
    return `${hex(a, b)}:${hex(c, d)}`
  })
  const [head = '', tail] = withoutDotted.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : new Array<string>(8 - left.length - right.length).fill('0')
  const bytes = new Uint8Array(16)
  for (const [index, group] of [...left, ...zeros, ...right].entries()) {
    const value = Number.parseInt(group, 16)
    bytes[index * 2] = value >> 8
    bytes[index * 2 + 1] = value & 0xff
  }
  return bytes
}

/** RFC 5952 section 4: lower case, no leading zeros, the longest run of two or more zero groups (the first if equal) becomes `::`. */
function compress(groups: readonly number[]): string {
  let best = { start: -1, length: 1 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  const hex = groups.map((group) => group.toString(16))
  if (best.start < 0) return hex.join(':')
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`
}
