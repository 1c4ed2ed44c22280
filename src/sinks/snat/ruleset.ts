import { createHash } from 'node:crypto'
import type { AddressFamily } from '../../model/address.ts'
import type { PortRange } from '../../model/source-nat.ts'
import { MASQUERADE, type Match, matchFamily, rangeOf, type Target } from './translation.ts'

/** An expression or a statement in libnftables' JSON. */
type Json = Readonly<Record<string, unknown>>

/** One map of the table. Its key says which connections, its value what becomes of them. */
export interface MapShape {
  readonly name: string
  readonly family: AddressFamily
  readonly match: Match['kind']
  readonly anyPort: boolean
  /** `verdict`: masquerade and ranges, each a chain. `address`: one fixed address, in the map itself. */
  readonly value: 'verdict' | 'address'
  /** The data types of the key, as nft names them. */
  readonly type: readonly string[]
}

/** A chain as it is to be, with its rules in order. */
export interface ChainShape {
  readonly name: string
  readonly base: boolean
  readonly rules: readonly Json[][]
}

/** Just before `srcnat` (100): the first chain that translates a connection wins, and container engines masquerade at 100. */
export const PRIORITY = 95
export const BASE_CHAIN = 'postrouting'
const RANGE_PREFIX = 'snat_'
/** No word of nft's own language: it reads none of them as a name, and people load what `nft list ruleset` printed. */
const MASQUERADE_CHAIN = 'snat_masquerade'
/** Its name in tables of earlier versions, which are made anew with what they hold. */
const FORMER_MASQUERADE_CHAIN = 'masquerade'
/** Counted up when a map changes its shape: a table with another number is made anew. */
const VERSION = 1

const PORTS_AND_FAMILIES = (['ipv4', 'ipv6'] as const).flatMap((family) =>
  (['vip', 'mark'] as const).flatMap((match) => [false, true].map((anyPort) => ({ family, match, anyPort }))),
)

/** All maps; their number does not depend on what is in them. */
export const MAPS: readonly MapShape[] = PORTS_AND_FAMILIES.flatMap((key) =>
  (['verdict', 'address'] as const).map((value) => ({
    ...key,
    value,
    name: `${key.match}${key.family === 'ipv4' ? 4 : 6}${key.anyPort ? '_any_port' : ''}${value === 'address' ? '_address' : ''}`,
    type: [
      key.match === 'vip' ? 'inet_proto' : 'mark',
      key.family === 'ipv4' ? 'ipv4_addr' : 'ipv6_addr',
      ...(key.anyPort ? [] : ['inet_service']),
    ],
  })),
)

const BY_NAME = new Map(MAPS.map((map) => [map.name, map]))

export function mapNamed(name: string): MapShape | undefined {
  return BY_NAME.get(name)
}

/** The map that a translation is in. */
export function mapOf(match: Match, target: Target): MapShape {
  const value = chainOf(target) === undefined ? 'address' : 'verdict'
  const family = matchFamily(match)
  const found = MAPS.find(
    (map) => map.value === value && map.family === family && map.match === match.kind && map.anyPort === (match.port === 0),
  )
  return found as MapShape
}

/** The chain that a target is carried out by; undefined for one fixed address, which is data of its map. */
export function chainOf(target: Target): string | undefined {
  if (target === MASQUERADE) return MASQUERADE_CHAIN
  const range = rangeOf(target)
  // nft reads no colon in a name, and people load what `nft list` printed.
  return range === undefined ? undefined : `${RANGE_PREFIX}${range.join('-').replaceAll(':', '_')}`
}

/** The target that a chain carries out; undefined where the chain is none of that kind. */
export function targetOfChain(name: string): Target | undefined {
  if (name === MASQUERADE_CHAIN || name === FORMER_MASQUERADE_CHAIN) return MASQUERADE
  const range = name.startsWith(RANGE_PREFIX) ? name.slice(RANGE_PREFIX.length).replaceAll('_', ':') : ''
  return /^[\da-f.:]+-[\da-f.:]+$/.test(range) ? (range as Target) : undefined
}

/** The chains that are always there, those with no other chain in them first. */
export function fixedChains(ports: PortRange): ChainShape[] {
  return [
    { name: MASQUERADE_CHAIN, base: false, rules: [[transport(), { masquerade: { ...portsOf(ports) } }]] },
    ...(['ipv4', 'ipv6'] as const).map((family) => ({ name: family, base: false, rules: lookups(family, ports) })),
    {
      name: BASE_CHAIN,
      base: true,
      rules: (['ipv4', 'ipv6'] as const).map((family) => [
        equals({ meta: { key: 'nfproto' } }, family),
        { goto: { target: family } },
      ]),
    },
  ]
}

/** The chain of a range of addresses. */
export function rangeChain(target: Target, ports: PortRange): ChainShape {
  const range = rangeOf(target) ?? []
  const family = target.includes(':') ? 'ip6' : 'ip'
  const name = chainOf(target) as string
  return { name, base: false, rules: [[transport(), { snat: { family, addr: { range }, ...portsOf(ports) } }]] }
}

/** What a rule carries as its comment, so that it is known again whatever way a version of nft prints it. */
export function ruleComment(rule: readonly Json[]): string {
  return `pointsman ${VERSION} ${createHash('sha256').update(JSON.stringify(rule)).digest('hex').slice(0, 12)}`
}

/** Whether a comment is from a rule that we wrote, of whatever version. */
export function isOurComment(comment: string): boolean {
  return /^pointsman \d+ /.test(comment)
}

/** Whether a comment is from a rule of a table whose maps have another shape. */
export function isOtherVersion(comment: string): boolean {
  const version = /^pointsman (\d+) /.exec(comment)?.[1]
  return version !== undefined && Number(version) !== VERSION
}

function lookups(family: AddressFamily, ports: PortRange): Json[][] {
  return MAPS.filter((map) => map.family === family).map((map) => {
    const lookup = { key: { concat: keyOf(map) }, data: `@${map.name}` }
    if (map.value === 'verdict') return [transport(), { vmap: lookup }]
    return [transport(), { snat: { family: map.family === 'ipv4' ? 'ip' : 'ip6', addr: { map: lookup }, ...portsOf(ports) } }]
  })
}

function keyOf(map: MapShape): Json[] {
  const ip = map.family === 'ipv4' ? 'ip' : 'ip6'
  if (map.match === 'mark') {
    const port = { payload: { protocol: 'th', field: 'dport' } }
    return [{ meta: { key: 'mark' } }, { payload: { protocol: ip, field: 'daddr' } }, ...(map.anyPort ? [] : [port])]
  }
  const port = { ct: { key: 'proto-dst', dir: 'original' } }
  const address = { ct: { key: `${ip} daddr`, dir: 'original' } }
  return [{ meta: { key: 'l4proto' } }, address, ...(map.anyPort ? [] : [port])]
}

/** Without this match nft neither takes ports for NAT nor knows the size of `ct original proto-dst`. */
function transport(): Json {
  return equals({ meta: { key: 'l4proto' } }, { set: ['tcp', 'udp', 'sctp'] })
}

function equals(left: Json, right: unknown): Json {
  return { match: { op: '==', left, right } }
}

/** Random ports, because two processors that choose the same port at once would lose one of the connections. */
function portsOf({ first, last }: PortRange) {
  return { port: first === last ? first : { range: [first, last] }, flags: 'fully-random' }
}
