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

/**
 * What is ours in a table at one hook: 1 is the chain with everything that is wanted there, each further one has what is to be let through further ahead
 * than that.
 */
export type PartNumber = number

export const MAIN_PART: PartNumber = 1

/** Bytes of the name of a chain that iptables takes (XT_EXTENSION_MAXNAMELEN). */
const LONGEST_CHAIN = 28

/** The chain of ours in a table, to which the dropping chain leads. */
export function ourChain(place: FilterPlace, hook: FirewallHook, mark: string, part: PartNumber): string {
  const end = part === MAIN_PART ? `-${hook}` : `-${hook}-${part}`
  if (place.kind === 'nft') return `${mark}${end}`
  const longest = LONGEST_CHAIN - '-forward'.length - (end.length - `-${hook}`.length)
  const short = mark.length <= longest ? mark : `${mark.slice(0, longest - 7)}-${hashOf(mark, 6)}`
  return `${short}${end}`.toUpperCase()
}

/** Which part of ours a chain is; undefined: it is not ours. */
export function partOf(place: FilterPlace, hook: FirewallHook, mark: string, chain: string): PartNumber | undefined {
  if (chain === ourChain(place, hook, mark, MAIN_PART)) return MAIN_PART
  const part = Number(/-([1-9]\d*)$/.exec(chain)?.[1])
  return part > MAIN_PART && chain === ourChain(place, hook, mark, part) ? part : undefined
}

export function isOurJump({ verdict, comment }: FilterRule, place: FilterPlace, hook: FirewallHook, mark: string): boolean {
  return comment === mark && verdict.kind === 'jump' && partOf(place, hook, mark, verdict.target) !== undefined
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

export function ourSets(place: FilterPlace, hook: FirewallHook, mark: string, part: PartNumber): OpeningSet[] {
  const chain = ourChain(place, hook, mark, part)
  return placeFamilies(place).flatMap((family): OpeningSet[] => {
    const number = family === 'ipv4' ? '4' : '6'
    const stem = part === MAIN_PART ? `${chain}${number}` : `${chain}-${number}`
    const address = family === 'ipv4' ? 'ipv4_addr' : 'ipv6_addr'
    return [
      { name: stem, family, kind: 'port', type: ['inet_proto', address, 'inet_service'] },
      { name: `${stem}-any-port`, family, kind: 'any-port', type: ['inet_proto', address] },
      ...(hook === 'forward' ? [] : [{ name: `${stem}-mark`, family, kind: 'mark', type: 'mark' } as const]),
    ]
  })
}

/** The jumps of ours in a chain, with their places and the parts that they lead to. */
export function ourJumps(
  { rules }: FilterChain,
  place: FilterPlace,
  hook: FirewallHook,
  mark: string,
): { readonly at: number; readonly rule: FilterRule; readonly part: PartNumber }[] {
  return rules.flatMap((rule, at) => {
    if (rule.comment !== mark || rule.verdict.kind !== 'jump') return []
    const part = partOf(place, hook, mark, rule.verdict.target)
    return part === undefined ? [] : [{ at, rule, part }]
  })
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

/** The parts of ours of which anything is in a table at a hook: a chain, a set, a jump. In order. */
export function partsIn({ place, chains, sets }: FilterTable, hook: FirewallHook, mark: string): PartNumber[] {
  const found = new Set<PartNumber>()
  const note = (chain: string) => {
    const part = partOf(place, hook, mark, chain)
    if (part !== undefined) found.add(part)
  }
  for (const chain of chains.values()) {
    note(chain.name)
    for (const { part } of ourJumps(chain, place, hook, mark)) found.add(part)
  }
  // Of `NAME-input4-any-port` and `NAME-input-2-6` the chain.
  for (const name of sets.keys()) {
    const chain = /^(.*?)-?[46](-any-port|-mark)?$/.exec(name)?.[1]
    if (chain !== undefined) note(chain)
  }
  return [...found].sort((a, b) => a - b)
}

function hashOf(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length)
}
