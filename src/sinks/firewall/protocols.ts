import { type CarriedProtocol, PROTOCOL_NUMBERS } from './opening.ts'

/** What /etc/protocols and programs call them besides. */
const OTHER_NAMES: Readonly<Record<string, CarriedProtocol>> = {
  ipencap: 'ipip',
  ipv4: 'ipip',
  'ip-encap': 'ipip',
  'ipv6-encap': 'ipv6',
}

const BY_NUMBER = new Map<bigint, CarriedProtocol>(
  Object.entries(PROTOCOL_NUMBERS).map(([name, number]) => [BigInt(number), name as CarriedProtocol]),
)

/** By number or by name; -1 for a name that no packet of a service has. */
export function protocolNumber(text: string): bigint {
  if (/^\d+$/.test(text)) return BigInt(text)
  const name = OTHER_NAMES[text] ?? text
  return name in PROTOCOL_NUMBERS ? BigInt(PROTOCOL_NUMBERS[name as CarriedProtocol]) : -1n
}

/** As it is written for programs: its name, or its number where not every system has a name for it. */
export function protocolWord(protocol: CarriedProtocol): string {
  return protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp' ? protocol : String(PROTOCOL_NUMBERS[protocol])
}

export function protocolNamed(text: string): CarriedProtocol | undefined {
  return BY_NUMBER.get(protocolNumber(text))
}
