import { isDeepStrictEqual } from 'node:util'
import type { NftCommand } from '../../kernel/for-sinks.ts'
import { ruleComment } from '../snat/ruleset.ts'
import type { FilterPlace, FilterTable } from './filter.ts'
import { type FirewallHook, type Opening, type OpeningKey, openingFamily, openingKey } from './opening.ts'
import { type Held, type OpeningSet, ourChain, ourSets, type PartNumber, parseOpening } from './ours.ts'
import type { Edit } from './plan.ts'
import { protocolNamed, protocolWord } from './protocols.ts'

const NOTHING_KNOWN: Held['openings'] = new Map()

/** An expression or a statement in libnftables' JSON. */
type Json = Readonly<Record<string, unknown>>
type NftPlace = FilterPlace & { readonly kind: 'nft' }

/** What a part of ours in a table of nftables at one hook is. `known`: what it was before, of which nothing is read that is there still. */
export function readNftHeld(
  table: FilterTable,
  hook: FirewallHook,
  mark: string,
  part: PartNumber,
  tracked: boolean,
  known: Held['openings'] = NOTHING_KNOWN,
): Held {
  const place = table.place as NftPlace
  const openings: Held['openings'] = new Map()
  const sets = ourSets(place, hook, mark, part)
  const chain = table.chains.get(ourChain(place, hook, mark, part))
  if (chain === undefined && sets.every(({ name }) => !table.sets.has(name))) return { state: 'absent', openings }
  let sound = chain !== undefined && chain.base === undefined
  for (const set of sets) {
    const read = table.sets.get(set.name)
    if (read === undefined || !isDeepStrictEqual(read.type, set.type)) sound = false
    for (const element of read?.elements ?? []) {
      const opening = readElement(set, hook, element, known)
      if (opening === undefined) sound = false
      else openings.set(openingKey(opening), opening)
    }
  }
  const comments = chain?.rules.map(({ comment }) => comment)
  if (!isDeepStrictEqual(comments, rulesOf(place, hook, sets, tracked).map(ruleComment))) sound = false
  return { state: sound ? 'sound' : 'damaged', openings }
}

/** One transaction for a table: with it no moment has a packet less than before. */
export function nftCommands(table: FilterTable, mark: string, edits: readonly Edit[], tracked: boolean): NftCommand[] {
  return [
    ...edits.flatMap((edit) => unjumps(table, edit)),
    ...edits.flatMap((edit) => contents(table, mark, edit, tracked)),
    ...edits.flatMap((edit) => jumps(table, mark, edit)),
  ]
}

function unjumps({ place }: FilterTable, { unjump }: Edit): NftCommand[] {
  const { family, table } = place as NftPlace
  return unjump.flatMap(({ rules }) =>
    rules.map(({ base, handle }) => ({ delete: { rule: { family, table, chain: base, handle } } })),
  )
}

function jumps({ place }: FilterTable, mark: string, { hook, part, jump }: Edit): NftCommand[] {
  const { family, table } = place as NftPlace
  const expr = [{ counter: null }, { jump: { target: ourChain(place, hook, mark, part) } }]
  return jump.map(({ base, before }) => {
    const rule = { family, table, chain: base, comment: mark, expr }
    return before === undefined ? { add: { rule } } : { insert: { rule: { ...rule, handle: before } } }
  })
}

function contents(table: FilterTable, mark: string, edit: Edit, tracked: boolean): NftCommand[] {
  const place = table.place as NftPlace
  const at = { family: place.family, table: place.table }
  const name = ourChain(place, edit.hook, mark, edit.part)
  const chain = { chain: { ...at, name } }
  const sets = ourSets(place, edit.hook, mark, edit.part)
  const away = [
    ...(table.chains.has(name) ? [{ flush: chain }, { delete: chain }] : []),
    ...sets.flatMap((set) => (table.sets.has(set.name) ? [{ delete: { set: { ...at, name: set.name } } }] : [])),
  ]
  const made = [
    { add: chain },
    ...sets.map((set) => ({ add: { set: { ...at, name: set.name, type: set.type } } })),
    ...rulesOf(place, edit.hook, sets, tracked).map((expr) => ({
      add: { rule: { ...at, chain: name, comment: ruleComment(expr), expr } },
    })),
  ]
  const elements = (verb: 'add' | 'delete', openings: readonly Opening[]) =>
    sets.flatMap((set) => {
      const elem = openings.filter((opening) => isIn(set, opening)).map(elementOf)
      return elem.length > 0 ? [{ [verb]: { element: { ...at, name: set.name, elem } } }] : []
    })
  return [
    ...(edit.chain === 'keep' ? [] : away),
    ...(edit.chain === 'make' ? made : []),
    ...elements('delete', edit.drop),
    ...elements('add', edit.put),
  ]
}

/** What comes back is of a connection that a client began, as far as anybody knows connections (`tracked`): no backend opens one from that port. */
function rulesOf({ family: tableFamily }: NftPlace, hook: FirewallHook, sets: readonly OpeningSet[], tracked: boolean): Json[][] {
  const isReply = hook === 'forward'
  const known = isReply && tracked ? [equals({ ct: { key: 'direction' } }, 'reply')] : []
  return sets.map(({ name, family, kind }) => {
    const ip = family === 'ipv4' ? 'ip' : 'ip6'
    const protocol = { meta: { key: 'l4proto' } }
    const address = { payload: { protocol: ip, field: isReply ? 'saddr' : 'daddr' } }
    const set = `@${name}`
    if (kind === 'mark') {
      const ofFamily = tableFamily === 'inet' ? [equals({ meta: { key: 'nfproto' } }, family)] : []
      return [...ofFamily, equals({ meta: { key: 'mark' } }, set), { accept: null }]
    }
    if (kind === 'any-port') return [...known, equals({ concat: [protocol, address] }, set), { accept: null }]
    const port = { payload: { protocol: 'th', field: isReply ? 'sport' : 'dport' } }
    // Others have no ports, and something else stands in their place.
    const transport = equals(protocol, { set: ['tcp', 'udp', 'sctp'] })
    return [...known, transport, equals({ concat: [protocol, address, port] }, set), { accept: null }]
  })
}

function equals(left: Json, right: unknown): Json {
  return { match: { op: '==', left, right } }
}

function isIn({ family, kind }: OpeningSet, opening: Opening): boolean {
  if (openingFamily(opening) !== family) return false
  if (opening.kind === 'mark') return kind === 'mark'
  return kind === (opening.port === 0 ? 'any-port' : 'port')
}

function elementOf(opening: Opening): unknown {
  if (opening.kind === 'mark') return opening.mark
  const { protocol, address, port } = opening
  return { concat: [protocolWord(protocol), address, ...(port === 0 ? [] : [port])] }
}

function readElement(
  { family, kind }: OpeningSet,
  hook: FirewallHook,
  element: unknown,
  known: Held['openings'],
): Opening | undefined {
  if (kind === 'mark') return typeof element === 'number' ? parseOpening(hook, `mark/${element}/${family}`) : undefined
  const parts = (element as { concat?: unknown } | null)?.concat
  if (!Array.isArray(parts)) return undefined
  const [protocol, address, port = 0] = parts
  const host = family === 'ipv6' ? `[${address}]` : address
  const text = `${protocolNamed(String(protocol))}/${host}:${port}`
  return known.get(`${hook} ${text}` as OpeningKey) ?? parseOpening(hook, text)
}
