import type { AddressFamily } from '../../model/address.ts'
import type { FirewallHook } from './opening.ts'

/** What rules look at and we know something about. Addresses, ports, protocols and marks are numbers, the others words. */
export type Field =
  | 'family'
  | 'protocol'
  | 'saddr'
  | 'daddr'
  | 'sport'
  | 'dport'
  | 'mark'
  | 'state'
  | 'iif'
  | 'oif'
  /** `reply` or `original`, as connection tracking has it. */
  | 'direction'
  /** What connection tracking has done with the connection: `dnat`, `none`. */
  | 'status'
  /** What routing makes of the destination: `local`, `multicast`. */
  | 'daddrtype'

/** A word, or numbers from the first to the last. */
export type Span = string | readonly [bigint, bigint]

/** `unknown`: something that cannot be judged. Else one of `tuples` has each of `fields`, or with `negated` none has. */
export type Condition =
  | { readonly kind: 'unknown' }
  | {
      readonly kind: 'tuple'
      readonly fields: readonly Field[]
      readonly tuples: readonly (readonly Span[])[]
      readonly negated: boolean
    }

export type Verdict =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'none' | 'unknown' }
  | { readonly kind: 'jump' | 'goto'; readonly target: string }

export interface FilterRule {
  readonly conditions: readonly Condition[]
  readonly verdict: Verdict
  readonly comment?: string
  /** Of nftables. */
  readonly handle?: number
}

export interface FilterChain {
  readonly name: string
  readonly base?: { readonly hook: FirewallHook; readonly priority: number; readonly policy: 'accept' | 'drop' }
  readonly rules: readonly FilterRule[]
}

/** Where a table is, and by what it is written. Tables of iptables-nft are written by iptables alone, which would not read them otherwise. */
export type FilterPlace =
  | { readonly kind: 'nft'; readonly family: 'inet' | 'ip' | 'ip6'; readonly table: string }
  | { readonly kind: 'iptables'; readonly variant: 'nft' | 'legacy'; readonly family: AddressFamily }

export interface FilterTable {
  readonly place: FilterPlace
  readonly chains: ReadonlyMap<string, FilterChain>
  /** Sets by name with their elements as they were read; of nftables alone. */
  readonly sets: ReadonlyMap<string, { readonly type: unknown; readonly elements: readonly unknown[] }>
  readonly unwritable?: Unwritable
}

/** Why nothing is written into a table, and what is to be done about it: clauses. */
export interface Unwritable {
  readonly why: string
  readonly cure?: string
  /** Nothing is to pass, for a moment or for as long as somebody wants: no failure of ours. */
  readonly isMeant?: true
}

/** The table that firewalld keeps. */
export const FIREWALLD = 'firewalld'
/** The one that it makes while it reloads, and in panic mode. */
export const FIREWALLD_CLOSED = 'firewalld_policy_drop'

export const UNKNOWN: Condition = { kind: 'unknown' }
/** What the first packet of nobody has. */
export const NEVER: Condition = { kind: 'tuple', fields: [], tuples: [], negated: false }
export const ALWAYS: Condition = { kind: 'tuple', fields: [], tuples: [], negated: true }

export function isOneOf(field: Field, spans: readonly Span[], negated = false): Condition {
  return { kind: 'tuple', fields: [field], tuples: spans.map((span) => [span]), negated }
}

/** One text per place: `inet filter`, `iptables-nft ipv4`. */
export function placeKey(place: FilterPlace): string {
  return place.kind === 'nft' ? `${place.family} ${place.table}` : `iptables-${place.variant} ${place.family}`
}

/** As people know it: `nftables table inet filter`, `ip6tables-legacy`. */
export function placeName(place: FilterPlace): string {
  if (place.kind === 'nft') return `nftables table ${place.family} ${place.table}`
  return `${place.family === 'ipv4' ? 'iptables' : 'ip6tables'}-${place.variant}`
}

export function placeFamilies(place: FilterPlace): readonly AddressFamily[] {
  if (place.kind === 'iptables') return [place.family]
  return place.family === 'inet' ? ['ipv4', 'ipv6'] : [place.family === 'ip' ? 'ipv4' : 'ipv6']
}

/** IPVS takes packets out of LOCAL_IN at 98 and turns replies round in FORWARD at 99: what comes later never sees them, or sees others. */
const LAST_PRIORITY = 97

/** The base chains that packets of services pass. */
export function baseChains(table: FilterTable, hook: FirewallHook): (FilterChain & { readonly base: object })[] {
  return [...table.chains.values()].filter(
    (chain): chain is FilterChain & { readonly base: NonNullable<FilterChain['base']> } =>
      chain.base?.hook === hook && (hook === 'output' || chain.base.priority <= LAST_PRIORITY),
  )
}
