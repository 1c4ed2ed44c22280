import type { NftObject } from '../../kernel/for-sinks.ts'
import { parseAddress } from '../../model/address.ts'
import {
  type Condition,
  type Field,
  type FilterChain,
  type FilterPlace,
  type FilterRule,
  type FilterTable,
  isOneOf,
  type Span,
  UNKNOWN,
  type Verdict,
} from './filter.ts'
import { addressNumber } from './judge.ts'
import { type FirewallHook, HOOKS } from './opening.ts'
import { protocolNumber } from './protocols.ts'

type Json = Readonly<Record<string, unknown>>
type Sets = FilterTable['sets']

/** Statements that decide nothing about a packet. */
const WITHOUT_EFFECT = new Set([
  'counter',
  'log',
  'mangle',
  'notrack',
  'flow',
  'ct helper',
  'ct timeout',
  'ct expectation',
  'last',
  'dup',
  'continue',
])

export interface NftFilterTable extends FilterTable {
  readonly place: FilterPlace & { readonly kind: 'nft' }
  /** A rule of it is in the language of iptables, as which nobody but iptables can read or write it. */
  readonly hasXt: boolean
  /** The program that made it is the only one that may write it (`flags owner`). */
  readonly isOwned: boolean
}

/** The tables with a filter at one of the three hooks, of a whole ruleset in libnftables' JSON. */
export function readNftRuleset(objects: readonly NftObject[]): NftFilterTable[] {
  const tables = new Map<string, Table>()
  for (const object of objects) {
    const [kind, body] = Object.entries(object)[0] ?? []
    if (kind === undefined || !isJson(body)) continue
    const { family } = body
    if (family !== 'inet' && family !== 'ip' && family !== 'ip6') continue
    const table = String(kind === 'table' ? body['name'] : body['table'])
    const key = `${family} ${table}`
    const known: Table = tables.get(key) ?? { family, table, flags: [], chains: [], rules: [], sets: new Map() }
    tables.set(key, known)
    if (kind === 'table') known.flags.push(...[body['flags'] ?? []].flat())
    if (kind === 'chain') known.chains.push(body)
    if (kind === 'rule') known.rules.push(body)
    if (kind === 'set' || kind === 'map')
      known.sets.set(String(body['name']), { type: body['type'], elements: (body['elem'] as unknown[] | undefined) ?? [] })
  }
  return [...tables.values()].map(filterTable).filter(({ chains }) => [...chains.values()].some(({ base }) => base !== undefined))
}

interface Table {
  readonly family: 'inet' | 'ip' | 'ip6'
  readonly table: string
  readonly flags: unknown[]
  readonly chains: Json[]
  readonly rules: Json[]
  readonly sets: Map<string, { readonly type: unknown; readonly elements: readonly unknown[] }>
}

function filterTable({ family, table, flags, chains: written, rules, sets }: Table): NftFilterTable {
  const byChain = Map.groupBy(rules, (rule) => String(rule['chain']))
  const chains = new Map<string, FilterChain>()
  for (const chain of written) {
    const name = String(chain['name'])
    const base = baseOf(chain)
    const read = (byChain.get(name) ?? []).flatMap((rule) => readRule(rule, sets))
    chains.set(name, { name, ...(base !== undefined && { base }), rules: read })
  }
  const hasXt = rules.some(({ expr }) => Array.isArray(expr) && expr.some((each) => isJson(each) && 'xt' in each))
  return { place: { kind: 'nft', family, table }, chains, sets, hasXt, isOwned: flags.includes('owner') }
}

function baseOf({ type, hook, prio, policy }: Json): FilterChain['base'] {
  if ((type !== 'filter' && type !== 'route') || !HOOKS.includes(hook as FirewallHook)) return undefined
  return { hook: hook as FirewallHook, priority: Number(prio), policy: policy === 'drop' ? 'drop' : 'accept' }
}

/** A verdict map is as many rules as it has elements. */
function readRule(rule: Json, sets: Sets): FilterRule[] {
  const more = {
    ...(typeof rule['comment'] === 'string' && { comment: rule['comment'] }),
    ...(typeof rule['handle'] === 'number' && { handle: rule['handle'] }),
  }
  const conditions: Condition[] = []
  for (const statement of (rule['expr'] as Json[] | undefined) ?? []) {
    const [kind = '', body] = Object.entries(statement)[0] ?? []
    if (kind === 'match') conditions.push(...readMatch(body as Json, sets))
    else if (kind === 'vmap')
      return readVerdictMap(body as Json, sets).map(([found, verdict]) => ({
        conditions: [...conditions, ...found],
        verdict,
        ...more,
      }))
    else if (!WITHOUT_EFFECT.has(kind)) {
      const verdict = readVerdict(statement)
      if (verdict !== undefined) return [{ conditions, verdict, ...more }]
      // What another program put there in a language of its own may be a verdict too.
      if (kind === 'xt') return [{ conditions: [...conditions, UNKNOWN], verdict: { kind: 'unknown' }, ...more }]
      conditions.push(UNKNOWN)
    }
  }
  return [{ conditions, verdict: { kind: 'none' }, ...more }]
}

function readVerdict(statement: unknown): Verdict | undefined {
  if (!isJson(statement)) return undefined
  const [kind, body] = Object.entries(statement)[0] ?? []
  switch (kind) {
    case 'accept':
    case 'drop':
    case 'return':
      return { kind }
    case 'reject':
      return { kind: 'drop' }
    case 'queue':
      return { kind: 'unknown' }
    case 'jump':
    case 'goto':
      return { kind, target: String((body as Json)['target']) }
    default:
      return undefined
  }
}

function readVerdictMap({ key, data }: Json, sets: Sets): [Condition[], Verdict][] {
  const entries = typeof data === 'string' ? sets.get(data.slice(1))?.elements : isJson(data) ? data['set'] : undefined
  if (!Array.isArray(entries)) return [[[UNKNOWN], { kind: 'unknown' }]]
  return entries.map((entry) => {
    const [value, verdict] = entry as [unknown, unknown]
    const read = readVerdict(verdict) ?? { kind: 'none' as const }
    return [conditionsOf(key, [unwrapped(value)], false), read]
  })
}

function readMatch({ op, left, right }: Json, sets: Sets): Condition[] {
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
function unwrapped(value: unknown): unknown {
  return isJson(value) && isJson(value['elem']) ? value['elem']['val'] : value
}

/** What the left side implies first, and last the comparison itself. */
function conditionsOf(left: unknown, values: readonly unknown[], negated: boolean): Condition[] {
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

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
