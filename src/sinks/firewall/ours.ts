import { createHash } from 'node:crypto'
import { type AddressFamily, parseAddress } from '../../model/address.ts'
import { type FilterChain, type FilterPlace, type FilterRule, type FilterTable, placeFamilies } from './filter.ts'
import {
  type CarriedProtocol,
  type FirewallHook,
  type Opening,
  type OpeningKey,
  openingKey,
  PROTOCOL_NUMBERS,
} from './opening.ts'

/** What tells an instance's rules from all others: `pointsman`, or `pointsman-NAME`. */
export function markOf(instance: string | undefined): string {
  return instance === undefined ? 'pointsman' : `pointsman-${instance}`
}

/** Bytes of the name of a chain that iptables takes (XT_EXTENSION_MAXNAMELEN), without `-FORWARD`. */
const LONGEST_MARK = 20

/** The chain of ours in a table, to which the dropping chain leads. */
export function ourChain(place: FilterPlace, hook: FirewallHook, mark: string): string {
  if (place.kind === 'nft') return `${mark}-${hook}`
  const short = mark.length <= LONGEST_MARK ? mark : `${mark.slice(0, LONGEST_MARK - 7)}-${hashOf(mark, 6)}`
  return `${short}-${hook}`.toUpperCase()
}

export function isOurJump({ verdict, comment }: FilterRule, place: FilterPlace, hook: FirewallHook, mark: string): boolean {
  return comment === mark && verdict.kind === 'jump' && verdict.target === ourChain(place, hook, mark)
}

/** What of ours is in a table at one hook. */
export interface Held {
  /** `damaged`: something of it is missing or otherwise. */
  readonly state: 'absent' | 'sound' | 'damaged'
  readonly openings: Map<OpeningKey, Opening>
}

/** A set of nftables that openings are kept in. */
export interface OpeningSet {
  readonly name: string
  readonly family: AddressFamily
  readonly kind: 'port' | 'any-port' | 'mark'
  readonly type: string | readonly string[]
}

export function ourSets(place: FilterPlace, hook: FirewallHook, mark: string): OpeningSet[] {
  const chain = ourChain(place, hook, mark)
  return placeFamilies(place).flatMap((family): OpeningSet[] => {
    const stem = `${chain}${family === 'ipv4' ? 4 : 6}`
    const address = family === 'ipv4' ? 'ipv4_addr' : 'ipv6_addr'
    return [
      { name: stem, family, kind: 'port', type: ['inet_proto', address, 'inet_service'] },
      { name: `${stem}-any-port`, family, kind: 'any-port', type: ['inet_proto', address] },
      ...(hook === 'forward' ? [] : [{ name: `${stem}-mark`, family, kind: 'mark', type: 'mark' } as const]),
    ]
  })
}

/** The jumps of ours in a base chain, with their places. */
export function ourJumps(
  base: FilterChain,
  place: FilterPlace,
  hook: FirewallHook,
  mark: string,
): { readonly at: number; readonly rule: FilterRule }[] {
  return base.rules.flatMap((rule, at) => (isOurJump(rule, place, hook, mark) ? [{ at, rule }] : []))
}

/** The text of an opening inside its chain, as it stands in comments: `tcp/10.0.0.1:80`. */
export function openingText(opening: Opening): string {
  return openingKey(opening).slice(opening.hook.length + 1)
}

export function parseOpening(hook: FirewallHook, text: string): Opening | undefined {
  const mark = /^mark\/(\d+)\/(ipv4|ipv6)$/.exec(text)
  if (mark !== null && hook !== 'forward') return { kind: 'mark', hook, mark: Number(mark[1]), family: mark[2] as AddressFamily }
  const parts = /^(\w+)\/\[?([\da-f.:]+?)\]?:(\d+)$/.exec(text)
  const address = parts === null ? undefined : parseAddress(parts[2] as string)
  if (parts === null || address === undefined || !((parts[1] as string) in PROTOCOL_NUMBERS)) return undefined
  const opening: Opening = { kind: 'address', hook, protocol: parts[1] as CarriedProtocol, address, port: Number(parts[3]) }
  return openingText(opening) === text ? opening : undefined
}

/** Whether anything of ours is in a table at a hook: a chain, a set, a jump. */
export function isAnyOurs(table: FilterTable, hook: FirewallHook, mark: string): boolean {
  const { place, chains, sets } = table
  if (chains.has(ourChain(place, hook, mark)) || ourSets(place, hook, mark).some(({ name }) => sets.has(name))) return true
  return [...chains.values()].some((chain) => ourJumps(chain, place, hook, mark).length > 0)
}

function hashOf(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length)
}
