import { addressFromBytes, type IpAddress } from '../../model/address.ts'

const DOT = 46
const COLON = 58

/**
 * Writes a canonical address in network order without making an object: 4 bytes for IPv4, 16 for IPv6. The caller has
 * zeroed the room. This is the hot path of every command; model/address.ts has the readable form.
 */
export function writeAddress(into: Uint8Array, position: number, address: IpAddress): void {
  if (address.includes(':')) writeIpv6(into, position, address)
  else writeIpv4(into, position, address)
}

/** The canonical text of the address at `position`. */
export function readAddress(bytes: Uint8Array, position: number, length: 4 | 16): IpAddress {
  if (length === 16) return addressFromBytes(bytes.subarray(position, position + 16))
  return `${bytes[position]}.${bytes[position + 1]}.${bytes[position + 2]}.${bytes[position + 3]}` as IpAddress
}

function writeIpv4(into: Uint8Array, position: number, text: string): void {
  let part = 0
  let at = position
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === DOT) {
      into[at++] = part
      part = 0
    } else part = part * 10 + code - 48
  }
  into[at] = part
}

function writeIpv6(into: Uint8Array, position: number, text: string): void {
  const end = position + 16
  let at = position
  let group = 0
  let digits = 0
  let gap = -1
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : COLON
    if (code !== COLON) {
      group = group * 16 + (code <= 57 ? code - 48 : code - 87)
      digits++
      continue
    }
    if (digits > 0) {
      into[at++] = group >> 8
      into[at++] = group & 0xff
    } else if (i > 0 && i < text.length && gap < 0) gap = at
    group = 0
    digits = 0
  }
  if (gap >= 0 && at < end) {
    into.copyWithin(end - (at - gap), gap, at)
    into.fill(0, gap, end - (at - gap))
  }
}
