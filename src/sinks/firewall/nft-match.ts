import { parseAddress } from '../../model/address.ts'
import { type Condition, type Field, type FilterTable, isOneOf, type Span, UNKNOWN } from './filter.ts'
import { addressNumber } from './judge.ts'
import { protocolNumber } from './protocols.ts'

export type Json = Readonly<Record<string, unknown>>
export type Sets = FilterTable['sets']

/** What a `match` statement of libnftables' JSON asks of a packet; what is not understood is UNKNOWN. */
export function readMatch({ op, left, right }: Json, sets: Sets): Condition[] {
  if (op !== '==' && op !== '!=' && op !== 'in') return [...conditionsOf(left, [], false).slice(0, -1), UNKNOWN]
  const values = valuesOf(right, sets)
  return values === undefined ? [UNKNOWN] : conditionsOf(left, values, op === '!=')
}

/** What stands on the right: one value, a set, the name of one, or a list of which one is enough. */
function valuesOf(right: unknown, sets: Sets): readonly unknown[] | undefined {
  if (typeof right === 'string' && right.startsWith('@')) return sets.get(right.slice(1))?.elements.map(unwrapped)
  if (Array.isArray(right)) return right
  if (isJson(right) && Array.isArray(right['set'])) return right['set'].map(unwrapped)
  return [right]
}

/** An element with a counter, a comment or a time. */
export function unwrapped(value: unknown): unknown {
  return isJson(value) && isJson(value['elem']) ? value['elem']['val'] : value
}

/** What the left side implies first, and last the comparison itself. */
export function conditionsOf(left: unknown, values: readonly unknown[], negated: boolean): Condition[] {
  const parts = isJson(left) && Array.isArray(left['concat']) ? (left['concat'] as unknown[]) : [left]
  const read = parts.map(fieldOf)
  const implied = read.flatMap(({ implies }) => implies)
  const fields = read.map(({ field }) => field)
  if (fields.some((field) => field === undefined)) return [...implied, UNKNOWN]
  const known = fields as Field[]
  const tuples: Span[][] = []
  for (const value of values) {
    const each = parts.length > 1 && isJson(value) && Array.isArray(value['concat']) ? (value['concat'] as unknown[]) : [value]
    const spans = known.map((field, index) => spanOf(field, each[index]))
    if (each.length !== known.length || spans.some((span) => span === undefined)) return [...implied, UNKNOWN]
    tuples.push(spans as Span[])
  }
  return [...implied, { kind: 'tuple', fields: known, tuples, negated }]
}

const META: Readonly<Record<string, Field>> = {
  l4proto: 'protocol',
  nfproto: 'family',
  protocol: 'family',
  mark: 'mark',
  iif: 'iif',
  iifname: 'iif',
  oif: 'oif',
  oifname: 'oif',
}

const CONNTRACK: Readonly<Record<string, Field>> = { state: 'state', direction: 'direction', status: 'status' }

const NETWORK: Readonly<Record<string, Field>> = { saddr: 'saddr', daddr: 'daddr', protocol: 'protocol', nexthdr: 'protocol' }

/** What carries packets of IP says nothing of the protocol within: any service may come in such a frame. */
const LINK_LAYER: ReadonlySet<unknown> = new Set(['ether', 'vlan'])

function fieldOf(left: unknown): { readonly field: Field | undefined; readonly implies: readonly Condition[] } {
  if (!isJson(left)) return { field: undefined, implies: [] }
  const { meta, payload, ct } = left
  if (isJson(meta)) return { field: META[String(meta['key'])], implies: [] }
  if (isJson(ct)) return { field: CONNTRACK[String(ct['key'])], implies: [] }
  if (isJson(left['fib'])) return { field: routedField(left['fib']), implies: [] }
  if (Array.isArray(left['&'])) return { field: undefined, implies: fieldOf(left['&'][0]).implies }
  if (!isJson(payload)) return { field: undefined, implies: [] }
  const { protocol, field } = payload
  if (protocol === 'ip' || protocol === 'ip6') {
    const family = protocol === 'ip' ? 4n : 6n
    return { field: NETWORK[String(field)], implies: [isOneOf('family', [[family, family]])] }
  }
  if (LINK_LAYER.has(protocol)) return { field: undefined, implies: [] }
  const port = field === 'sport' || field === 'dport' ? field : undefined
  if (protocol === 'th' || typeof protocol !== 'string') return { field: port, implies: [] }
  const number = protocolNumber(protocol)
  return { field: port, implies: [isOneOf('protocol', [[number, number]])] }
}

/** Only what asks for the address alone: an address is not local to each interface. */
function routedField({ result, flags }: Json): Field | undefined {
  return result === 'type' && [flags].flat().join() === 'daddr' ? 'daddrtype' : undefined
}

function spanOf(field: Field, value: unknown): Span | undefined {
  if (isJson(value) && Array.isArray(value['range'])) {
    const [first, last] = value['range'].map((end) => spanOf(field, end))
    return Array.isArray(first) && Array.isArray(last) ? [first[0], last[1]] : undefined
  }
  switch (field) {
    case 'saddr':
    case 'daddr':
      return addressSpan(value)
    case 'family':
      return value === 'ipv4' || value === 'ip' ? [4n, 4n] : value === 'ipv6' || value === 'ip6' ? [6n, 6n] : [-1n, -1n]
    case 'protocol': {
      const number = protocolNumber(String(value))
      return [number, number]
    }
    case 'sport':
    case 'dport':
    case 'mark':
      return typeof value === 'number' ? [BigInt(value), BigInt(value)] : undefined
    default:
      return typeof value === 'string' && !value.includes('*') ? value : undefined
  }
}

function addressSpan(value: unknown): Span | undefined {
  if (isJson(value) && isJson(value['prefix'])) {
    const { addr, len } = value['prefix']
    const address = parseAddress(String(addr))
    if (address === undefined) return undefined
    const first = addressNumber(address)
    return [first, first + (1n << BigInt((address.includes(':') ? 128 : 32) - Number(len))) - 1n]
  }
  const address = typeof value === 'string' ? parseAddress(value) : undefined
  if (address === undefined) return undefined
  const number = addressNumber(address)
  return [number, number]
}

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
