import { addressBytes, addressFromBytes, familyOf, type IpAddress } from '../../model/address.ts'
import type { AddressRange } from '../../model/source-nat.ts'
import { accepted, type Grammar, type Reading, refused, show } from '../reading.ts'
import { address } from './endpoint.ts'

/** Addresses that one range may have: more of them is a slip of the pen, such as a missing digit. */
const LONGEST_RANGE = 256n

/** One address, or the first and the last one of a range with a hyphen between them; a single address is a range of one. */
export const addressRange: Grammar<AddressRange> = {
  jsonSchema: { type: 'string', examples: ['10.0.0.9', '10.0.0.9-10.0.0.12', '2001:db8::9'] },
  read(raw): Reading<AddressRange> {
    const [start, end, ...more] = typeof raw === 'string' ? raw.split('-') : []
    if (start === undefined || end === undefined || more.length > 0) {
      const single = address.read(raw)
      return single.ok ? accepted({ first: single.value, last: single.value }) : single
    }
    if (start.trim() === '' || end.trim() === '')
      return refused(`${show(raw)} has one end only`, 'write both ends of the range, such as 10.0.0.9-10.0.0.12')
    const first = address.read(start.trim())
    const last = address.read(end.trim())
    if (!first.ok) return first
    return last.ok ? between(first.value, last.value) : last
  },
}

function between(first: IpAddress, last: IpAddress): Reading<AddressRange> {
  if (familyOf(first) !== familyOf(last))
    return refused(`${first} and ${last} are of two families`, 'write two IPv4 or two IPv6 addresses, such as 10.0.0.9-10.0.0.12')
  const count = numberOf(last) - numberOf(first) + 1n
  if (count < 1n) return refused(`the range ${first}-${last} ends before it begins`, `write ${last}-${first}`)
  if (count > LONGEST_RANGE)
    return refused(`the range ${first}-${last} has ${count} addresses`, `write a range of at most ${LONGEST_RANGE}`)
  return accepted({ first, last })
}

function numberOf(of: IpAddress): bigint {
  return BigInt(`0x${Buffer.from(addressBytes(of)).toString('hex')}`)
}

/** `10.0.0.9`, or `10.0.0.9-10.0.0.12`. */
export function formatAddressRange({ first, last }: AddressRange): string {
  return first === last ? first : `${first}-${last}`
}

/** Every address of a range. */
export function addressesOf({ first, last }: AddressRange): IpAddress[] {
  const size = addressBytes(first).length
  const [from, to] = [numberOf(first), numberOf(last)]
  return Array.from({ length: Number(to - from) + 1 }, (_, index) => {
    const hex = (from + BigInt(index)).toString(16).padStart(size * 2, '0')
    return addressFromBytes(Buffer.from(hex, 'hex'))
  })
}
