import type { NftObject } from '../../kernel/for-sinks.ts'
import { familyOf, type IpAddress, parseAddress } from '../../model/address.ts'
import type { PortRange } from '../../model/source-nat.ts'
import type { Protocol } from '../../model/virtual-service.ts'
import { type MapShape, mapNamed, targetOfChain } from './ruleset.ts'
import { type HeldTranslation, type Match, type MatchKey, matchKey, type Target } from './translation.ts'

/** What a table holds. */
export interface TableImage {
  /**
   * `absent`: there is none. `damaged`: maps or chains are missing, strange or of another version: it is made anew. `rules`: only rules are
   * otherwise than they are to be. `sound`: as we made it.
   */
  readonly state: 'absent' | 'damaged' | 'rules' | 'sound'
  readonly held: ReadonlyMap<MatchKey, HeldTranslation>
  /** The ranges of addresses that have a chain. */
  readonly ranges: ReadonlySet<Target>
  /** The ports by which the rules were judged, or were written. */
  readonly ports?: PortRange
}

export const NO_TABLE: TableImage = { state: 'absent', held: new Map(), ranges: new Set() }

const PROTOCOLS: ReadonlyMap<unknown, Protocol> = new Map<unknown, Protocol>([
  ['tcp', 'tcp'],
  [6, 'tcp'],
  ['udp', 'udp'],
  [17, 'udp'],
  ['sctp', 'sctp'],
  [132, 'sctp'],
])

/** The translations in the maps of a table; undefined for each element that is none of ours. */
export function* readElements(map: NftObject): Iterable<HeldTranslation | undefined> {
  const shape = mapNamed(String(map['name']))
  const elements = map['elem']
  if (shape === undefined || !Array.isArray(elements)) return
  for (const element of elements) yield readElement(shape, element)
}

function readElement(shape: MapShape, element: unknown): HeldTranslation | undefined {
  if (!Array.isArray(element)) return undefined
  const { key, connections } = unwrap(element[0])
  const match = readMatch(shape, key)
  const target = readTarget(shape, element[1])
  return match === undefined || target === undefined ? undefined : { match, target, connections }
}

/** With a counter a key is `{ elem: { val, counter } }`, else it is bare. */
function unwrap(key: unknown): { readonly key: unknown; readonly connections: bigint } {
  const inner = property(key, 'elem')
  if (inner === undefined) return { key, connections: 0n }
  const packets = property(property(inner, 'counter'), 'packets')
  return { key: property(inner, 'val'), connections: typeof packets === 'number' ? BigInt(packets) : 0n }
}

function readMatch(shape: MapShape, key: unknown): Match | undefined {
  const parts = property(key, 'concat')
  if (!Array.isArray(parts) || parts.length !== shape.type.length) return undefined
  const [first, text, port = 0] = parts
  const address = typeof text === 'string' ? parseAddress(text) : undefined
  if (address === undefined || familyOf(address) !== shape.family || typeof port !== 'number') return undefined
  if (shape.match === 'mark') return typeof first === 'number' ? { kind: 'mark', fwmark: first, address, port } : undefined
  const protocol = PROTOCOLS.get(first)
  return protocol === undefined ? undefined : { kind: 'vip', protocol, address, port }
}

function readTarget(shape: MapShape, value: unknown): Target | undefined {
  if (shape.value === 'address')
    return typeof value === 'string' ? (parseAddress(value) as (IpAddress & Target) | undefined) : undefined
  const chain = property(property(value, 'goto'), 'target')
  return typeof chain === 'string' ? targetOfChain(chain) : undefined
}

/** The value under a name, undefined where there is nothing of that kind. */
export function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

/** Adds a translation; false where its connections have another one already, which no table that we wrote has. */
export function hold(held: Map<MatchKey, HeldTranslation>, translation: HeldTranslation): boolean {
  const key = matchKey(translation.match)
  if (held.has(key)) return false
  held.set(key, translation)
  return true
}
