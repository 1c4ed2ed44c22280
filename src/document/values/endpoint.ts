import { isIPv4 } from 'node:net'
import { familyOf, formatEndpoint, type IpAddress, type Port, parseAddress } from '../../model/address.ts'
import { accepted, type Grammar, type Misreading, type Reading, refused, show, wrongType } from '../reading.ts'

export interface Endpoint {
  readonly address: IpAddress
  readonly port: Port
}

const REMEDY = 'write an IP address and a port, such as 10.0.0.1:80 or "[2001:db8::1]:80"'

/** `ip:port` or `[v6]:port`; the address comes out canonical. Port 0 is read: whether it makes sense depends on the service. */
export const endpoint: Grammar<Endpoint> = {
  jsonSchema: {
    type: 'string',
    pattern: '^(\\d{1,3}(\\.\\d{1,3}){3}|\\[[0-9A-Fa-f:.]+\\]):\\d{1,5}$',
    examples: ['10.0.0.1:80', '[2001:db8::1]:80'],
  },
  read(raw) {
    if (typeof raw !== 'string') return wrongType(raw, 'an address with a port', REMEDY)
    if (raw.trim() === '') return refused('the text is empty', REMEDY)
    if (raw !== raw.trim()) return refused(`${show(raw)} begins or ends with a blank`, 'remove the blanks')
    if (/^\w+:\/\//.test(raw)) return refused(`${show(raw)} begins with a scheme`, `${REMEDY}, without ${raw.split('//')[0]}//`)
    const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/.exec(raw) ?? []
    const host = bracketed ?? plain
    if (host === undefined) return noEndpoint(raw)
    const address = readHost(host, bracketed !== undefined)
    if (!address.ok) return address
    if (port === undefined)
      return refused(`${show(raw)} has no port`, `write it behind a colon, such as ${formatEndpoint(address.value, 80)}`)
    const number = readPort(port)
    return number.ok ? accepted({ address: address.value, port: number.value }) : number
  },
}

/** An address alone; canonical. */
export const address: Grammar<IpAddress> = {
  jsonSchema: { type: 'string', examples: ['10.0.0.9', '2001:db8::9'] },
  read(raw) {
    if (typeof raw !== 'string') return wrongType(raw, 'an IP address', 'write an IP address, such as 10.0.0.9')
    const parsed = parseAddress(raw)
    if (parsed !== undefined) return accepted(parsed)
    if (parseAddress(raw.split(/[:\]]/, 1)[0] ?? '') !== undefined)
      return refused(`${show(raw)} is more than an address`, 'write the address alone, without a port')
    const host = readHost(raw, false)
    return host.ok ? refused(`${show(raw)} is not an IP address`, 'write an IP address, such as 10.0.0.9') : host
  },
}

function noEndpoint(text: string): Misreading {
  const whole = parseAddress(text)
  if (whole !== undefined)
    return refused(
      `${show(text)} is an IPv6 address without brackets and port`,
      `write "[${whole}]:80" with the port that is meant`,
    )
  const cut = text.lastIndexOf(':')
  const before = parseAddress(text.slice(0, cut))
  if (before !== undefined)
    return refused(`${show(text)} is an IPv6 address without brackets`, `write "[${before}]:${text.slice(cut + 1)}"`)
  return refused(`${show(text)} is not an address with a port`, REMEDY)
}

function readHost(host: string, bracketed: boolean): Reading<IpAddress> {
  if (bracketed && isIPv4(host)) return refused(`${host} is an IPv4 address in brackets`, `write ${host} without the brackets`)
  const parsed = parseAddress(host)
  if (parsed !== undefined) return accepted(parsed)
  if (host === '') return refused('the address in front of the port is missing', REMEDY)
  if (host.includes('%'))
    return refused(`${show(host)} has a zone`, 'write the address without % and what follows; IPVS knows no zones')
  if (/^[\d.]+$/.test(host))
    return refused(
      `${show(host)} is not an IPv4 address`,
      'write four numbers from 0 to 255 without leading zeros, such as 10.0.0.1',
    )
  if (bracketed || host.includes(':'))
    return refused(`${show(host)} is not an IPv6 address`, 'write an IPv6 address, such as 2001:db8::1')
  return refused(
    `${show(host)} is a name where an address is due`,
    'write the IP address; backends with a name come from source: { dns: { name: ..., port: ... } }',
  )
}

/** Digits of a port behind a colon. */
function readPort(digits: string): Reading<Port> {
  const remedy = 'write a port from 1 to 65535'
  if (digits === '') return refused('the port behind the colon is missing', remedy)
  if (/^-\d+$/.test(digits)) return refused(`port ${digits} is negative`, remedy)
  if (!/^\d+$/.test(digits))
    return refused(`port ${show(digits)} is not a number`, `${remedy}; names of ports such as http are not looked up`)
  if (digits.length > 1 && digits.startsWith('0'))
    return refused(`port ${digits} has a leading zero`, `write ${digits.replace(/^0+(?=\d)/, '')}`)
  if (Number(digits) > 65535) return refused(`port ${digits} is above 65535`, remedy)
  return accepted(Number(digits))
}

/** Why an address can be neither a virtual service's nor a backend's; undefined when it can. */
export function unusableAddress(address: IpAddress): string | undefined {
  if (address === '0.0.0.0' || address === '::') return 'stands for every address'
  if (isMulticast(address)) return 'is a multicast address'
  if (address === '255.255.255.255') return 'is the broadcast address'
  return undefined
}

/** 224.0.0.0/4 and ff00::/8. */
export function isMulticast(address: IpAddress): boolean {
  if (familyOf(address) === 'ipv6') return address.startsWith('ff') && address.indexOf(':') === 4
  const first = Number(address.split('.', 1)[0])
  return first >= 224 && first <= 239
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback(address: IpAddress): boolean {
  return address === '::1' || (familyOf(address) === 'ipv4' && address.startsWith('127.'))
}
