import { accepted, type Grammar, type Reading, refused, show, wrongType } from '../document/reading.ts'
import { addressBytes, addressFromBytes, familyOf, type IpAddress, parseAddress } from '../model/address.ts'
import type { ListenRange } from '../model/catalog-spec.ts'

const REMEDY = 'write addresses and ports, such as 10.0.0.5:443, 10.0.0.0/24:80, 10.0.0.0/24:8000-8099 or "[2001:db8::/64]:*"'

/** `address:port` with a prefix length behind the address and a range or `*` for the port. */
export const allowedListen: Grammar<ListenRange> = {
  jsonSchema: {
    type: 'string',
    pattern: '^([0-9.]+(/\\d{1,2})?|\\[[0-9A-Fa-f:.]+(/\\d{1,3})?\\]):(\\*|\\d{1,5}(-\\d{1,5})?)$',
    examples: ['10.0.0.5:443', '10.0.0.0/24:80', '[2001:db8::/64]:*'],
  },
  read(raw) {
    if (typeof raw !== 'string') return wrongType(raw, 'an address with a port', REMEDY)
    const [, bracketed, plain, length, ports] = /^(?:\[([^\]/]*)|([^:[\]/]*))(?:\/(\d{1,3}))?\]?:([^:]*)$/.exec(raw) ?? []
    const address = parseAddress(bracketed ?? plain ?? '')
    if (address === undefined || ports === undefined || (bracketed !== undefined) !== (familyOf(address) === 'ipv6'))
      return refused(`${show(raw)} is not an address with a port`, REMEDY)
    const network = readNetwork(address, length)
    if (!network.ok) return network
    const range = readPorts(ports)
    return range.ok ? accepted({ ...network.value, ...range.value }) : range
  },
}

function readNetwork(network: IpAddress, length: string | undefined): Reading<Pick<ListenRange, 'network' | 'prefixLength'>> {
  const bits = familyOf(network) === 'ipv4' ? 32 : 128
  const prefixLength = Number(length ?? bits)
  if (prefixLength > bits) return refused(`the prefix length ${prefixLength} is above ${bits}`, REMEDY)
  const first = addressFromBytes(masked(addressBytes(network), prefixLength))
  if (first === network) return accepted({ network, prefixLength })
  return refused(`${network} is not the first address of its /${prefixLength}`, `write ${first}/${prefixLength}`)
}

/** The bytes with every bit behind the prefix cleared. */
function masked(bytes: Uint8Array, prefixLength: number): Uint8Array {
  return bytes.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, prefixLength - index * 8))))
}

function readPorts(text: string): Reading<Pick<ListenRange, 'firstPort' | 'lastPort'>> {
  if (text === '*') return accepted({ firstPort: 0, lastPort: 65535 })
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []
  if (first === undefined || Number(first) > 65535 || Number(last) > 65535)
    return refused(`${show(text)} is neither a port nor a range of ports`, 'write a port, a range such as 8000-8099, or *')
  if (Number(first) > Number(last)) return refused(`the range ${text} ends before it begins`, `write ${last}-${first}`)
  return accepted({ firstPort: Number(first), lastPort: Number(last) })
}
