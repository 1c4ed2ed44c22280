import { baseChains, type FilterChain, type FilterRule, type FilterTable, placeFamilies, placeKey } from './filter.ts'
import { readIptablesHeld } from './iptables-writes.ts'
import { judgedIn } from './judged.ts'
import { readNftHeld } from './nft-writes.ts'
import { type FirewallHook, HOOKS, type Opening, type OpeningKey, type Openings, openingsAt } from './opening.ts'
import { type Held, isAnyOurs, isOurJump, ourJumps } from './ours.ts'
import { isOpened, type Place, placeFor } from './place.ts'

/** What is done to one table at one hook, in one transaction with what is done at the others. */
export interface Edit {
  readonly hook: FirewallHook
  /** Our chain: made anew and empty, taken away, or kept as it is. */
  readonly chain: 'make' | 'unmake' | 'keep'
  readonly put: readonly Opening[]
  readonly drop: readonly Opening[]
  /** Jumps of ours that are taken away first. */
  readonly unjump: readonly {
    readonly base: string
    readonly rules: readonly { readonly base: string; readonly handle: number | undefined }[]
  }[]
  /** Jumps that are made, in a base chain or in one that it alone leads to: before the rule with a handle (nftables) or as the rule of a number (iptables); undefined: as the last. */
  readonly jump: readonly { readonly base: string; readonly before: number | undefined; readonly number: number | undefined }[]
}

/** The filters of the host as they were read, with what is ours in them. */
export interface FirewallImage {
  readonly tables: readonly FilterTable[]
  /** By `heldKey`. */
  readonly held: ReadonlyMap<string, Held>
  /** As for `packetOf`. */
  readonly tracked: boolean
}

export function heldKey(table: FilterTable, hook: FirewallHook): string {
  return `${placeKey(table.place)} ${hook}`
}

export function imageOf(tables: readonly FilterTable[], mark: string, tracked: boolean): FirewallImage {
  const held = new Map<string, Held>()
  for (const table of tables)
    for (const hook of HOOKS)
      held.set(heldKey(table, hook), (table.place.kind === 'nft' ? readNftHeld : readIptablesHeld)(table, hook, mark, tracked))
  return { tables, held, tracked }
}

export interface PlanInput {
  readonly wanted: Openings
  readonly mark: string
  /** Marks of earlier names of the instance, whose rules go. */
  readonly former: readonly string[]
}

/** What is done to a table, and what stays closed in it all the same. */
export interface TablePlan {
  readonly edits: readonly Edit[]
  readonly closed: readonly { readonly chain: string; readonly openings: readonly Opening[] }[]
}

/**
 * What has to be done to a table. `open` adds what is missing; `close` takes away what nobody needs any more, the last rule of ours with the chain. Pure:
 * a chain is opened where a packet that no doubtful rule meets is dropped, in front of the rule that drops it, so that what others refuse before that stays
 * refused (`placeFor`).
 */
export function planTable(
  table: FilterTable,
  { held, tracked }: FirewallImage,
  input: PlanInput,
  half: 'open' | 'close',
): TablePlan {
  const plans = HOOKS.map((hook) => {
    const ours = held.get(heldKey(table, hook)) ?? { state: 'absent', openings: new Map<OpeningKey, Opening>() }
    return planHook(table, hook, ours, { ...input, tracked }, half)
  })
  return { edits: plans.flatMap(({ edits }) => edits), closed: plans.flatMap(({ closed }) => closed) }
}

/** Everything of an instance out of a table. */
export function planRemoval(table: FilterTable, mark: string): Edit[] {
  return HOOKS.flatMap((hook): Edit[] =>
    isAnyOurs(table, hook, mark)
      ? [{ hook, chain: 'unmake', put: [], drop: [], unjump: jumpsIn(table, hook, mark), jump: [] }]
      : [],
  )
}

/** What a table needs at one hook, and has. */
interface AtHook {
  readonly table: FilterTable
  readonly hook: FirewallHook
  readonly ours: Held
  readonly wanted: Openings
  /** Where jumps of ours belong: one in each base chain that drops any of these packets and can be opened. */
  readonly places: readonly Place[]
  readonly mark: string
  readonly isOurs: (rule: FilterRule) => boolean
}

function planHook(
  table: FilterTable,
  hook: FirewallHook,
  ours: Held,
  { wanted, mark, former, tracked }: PlanInput & { readonly tracked: boolean },
  half: 'open' | 'close',
): TablePlan {
  const families = placeFamilies(table.place)
  const here = openingsAt(wanted, hook, families)
  const isOurs = (rule: FilterRule) => isOurJump(rule, table.place, hook, mark)
  const isPassedOver = (rule: FilterRule) => isOurs(rule) || former.some((each) => isOurJump(rule, table.place, hook, each))
  const dropping = baseChains(table, hook).flatMap((base) => {
    const judged = judgedIn(table, base, here, tracked, isPassedOver)
    const dropped = judged.filter(({ decided }) => decided.otherwise === 'drop')
    if (dropped.length === 0) return []
    const place = placeFor(table, base, [...new Set(judged.map(({ decided }) => decided))])
    return [{ base, place, closed: dropped.flatMap(({ decided, opening }) => (isOpened(decided, place) ? [] : [opening])) }]
  })
  const places = dropping.flatMap(({ place }) => (place === undefined ? [] : [place]))
  const at = { table, hook, ours, wanted: here, places, mark, isOurs }
  const edit = half === 'close' ? planClosing(at) : planOpening(at)
  return {
    edits: edit === undefined ? [] : [edit],
    closed: dropping.flatMap(({ base, closed }) => (closed.length === 0 ? [] : [{ chain: base.name, openings: closed }])),
  }
}

function planOpening({ table, hook, ours, wanted, places, mark, isOurs }: AtHook): Edit | undefined {
  if (places.length === 0) return undefined
  const make = ours.state !== 'sound'
  const jumps = places.filter(({ chain, at }) => {
    const there = ourJumps(chain, table.place, hook, mark)
    return make || there.length !== 1 || there.some((jump) => numberOf(chain, jump.at, isOurs) !== numberOf(chain, at, isOurs))
  })
  const put = [...wanted].filter(([key]) => make || !ours.openings.has(key)).map(([, opening]) => opening)
  if (!make && jumps.length === 0 && put.length === 0) return undefined
  const changed = new Set(jumps.map(({ chain }) => chain.name))
  return {
    hook,
    chain: make ? 'make' : 'keep',
    put,
    drop: [],
    unjump: jumpsIn(table, hook, mark).filter(({ base }) => make || changed.has(base)),
    jump: jumps.map(({ chain, at }) => jumpBefore(chain, at, isOurs)),
  }
}

function planClosing({ table, hook, ours, wanted, places, mark }: AtHook): Edit | undefined {
  if (places.length === 0) return planRemoval(table, mark).find((edit) => edit.hook === hook)
  if (ours.state !== 'sound') return undefined
  const drop = [...ours.openings].filter(([key]) => !wanted.has(key)).map(([, opening]) => opening)
  const needed = new Set(places.map(({ chain }) => chain.name))
  const unjump = jumpsIn(table, hook, mark).filter(({ base }) => !needed.has(base))
  return drop.length + unjump.length === 0 ? undefined : { hook, chain: 'keep', put: [], drop, unjump, jump: [] }
}

function jumpsIn(table: FilterTable, hook: FirewallHook, mark: string): Edit['unjump'] {
  return [...table.chains.values()].flatMap((chain) => {
    const rules = ourJumps(chain, table.place, hook, mark).map(({ rule }) => ({ base: chain.name, handle: rule.handle }))
    return rules.length > 0 ? [{ base: chain.name, rules }] : []
  })
}

/** iptables counts without those of ours, which are taken away before. */
function jumpBefore(chain: FilterChain, at: number, isOurs: (rule: FilterRule) => boolean): Edit['jump'][number] {
  const rule = chain.rules[at]
  if (rule === undefined) return { base: chain.name, before: undefined, number: undefined }
  return { base: chain.name, before: rule.handle, number: numberOf(chain, at, isOurs) }
}

/** The number that a rule has where ours are left out. */
function numberOf({ rules }: FilterChain, at: number, isOurs: (rule: FilterRule) => boolean): number {
  return rules.slice(0, at).filter((each) => !isOurs(each)).length + 1
}
