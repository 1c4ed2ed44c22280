import type { NftObject } from '../../kernel/for-sinks.ts'
import {
  type Condition,
  type FilterChain,
  type FilterPlace,
  type FilterRule,
  type FilterTable,
  UNKNOWN,
  type Verdict,
} from './filter.ts'
import { conditionsOf, isJson, type Json, readMatch, type Sets, unwrapped } from './nft-match.ts'
import { type FirewallHook, HOOKS } from './opening.ts'

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
  const statements = (rule['expr'] as Json[] | undefined) ?? []
  if (statements.some(looksIntoSet) && !statements.some((statement) => 'vmap' in statement))
    return [new RuleWithSet(statements, sets, more)]
  return readStatements(statements, sets, more)
}

type Named = Pick<FilterRule, 'comment' | 'handle'>

/** In a set that has a name; a verdict map is read at once. */
function looksIntoSet(statement: Json): boolean {
  const match = statement['match']
  return isJson(match) && typeof match['right'] === 'string' && match['right'].startsWith('@')
}

/**
 * A rule whose conditions are read when somebody asks for them: a set may have a hundred thousand elements, most of all the sets of our own, behind a jump that is passed
 * over. What it shows of itself is the same as long as the rule is; the elements are those of the sets.
 */
class RuleWithSet implements FilterRule {
  readonly verdict: Verdict
  readonly written: readonly Json[]
  declare readonly comment?: string
  declare readonly handle?: number
  readonly #sets: Sets
  #conditions: readonly Condition[] | undefined

  constructor(statements: readonly Json[], sets: Sets, named: Named) {
    this.written = statements.filter((statement) => !('counter' in statement))
    this.#sets = sets
    Object.assign(this, named)
    this.verdict = readStatements(
      this.written.filter((statement) => !looksIntoSet(statement)),
      sets,
      {},
    )[0]?.verdict ?? {
      kind: 'none',
    }
  }

  get conditions(): readonly Condition[] {
    this.#conditions ??= readStatements(this.written, this.#sets, {})[0]?.conditions ?? []
    return this.#conditions
  }
}

function readStatements(statements: readonly Json[], sets: Sets, more: Named): FilterRule[] {
  const conditions: Condition[] = []
  for (const statement of statements) {
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
