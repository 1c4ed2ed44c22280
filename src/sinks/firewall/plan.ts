import type { FilterChain, FilterRule, FilterTable } from './filter.ts'
import { type FirewallImage, heldKey } from './image.ts'
import { type FirewallHook, HOOKS, type Opening, type OpeningKey, type Openings } from './opening.ts'
import type { OpeningChange } from './opening-index.ts'
import { type Held, isOurJump, MAIN_PART, ourJumps, type PartNumber, partsIn } from './ours.ts'
import type { Place } from './place.ts'
import type { WantedPart } from './situation.ts'

/** What is done to a part of ours in one table at one hook, in one transaction with what is done to the others. */
export interface Edit {
  readonly hook: FirewallHook
  readonly part: PartNumber
  /** The chain of the part: made anew and empty, taken away, or kept as it is. */
  readonly chain: 'make' | 'unmake' | 'keep'
  readonly put: readonly Opening[]
  readonly drop: readonly Opening[]
  /** Jumps of ours that are taken away before anything else is done. */
  readonly unjump: readonly {
    readonly base: string
    readonly rules: readonly { readonly base: string; readonly handle: number | undefined }[]
  }[]
  /**
   * Jumps that are made at last, in a base chain or in one that it alone leads to: before the rule with a handle (nftables) or as the rule of a number where ours are left
   * out (iptables), and so the last one first; undefined: behind all rules.
   */
  readonly jump: readonly { readonly base: string; readonly before: number | undefined; readonly number: number | undefined }[]
}

/** What is planned for a table at one hook. */
export interface HookInput {
  readonly table: FilterTable
  readonly hook: FirewallHook
  readonly held: FirewallImage['held']
  readonly mark: string
  /** As Situation.parts. */
  readonly wanted: readonly WantedPart[]
  /** What the wanted openings differ in from those for which this half had nothing left to do; absent: in everything. */
  readonly change?: OpeningChange
}

/**
 * What has to be done to a table at one hook. `open` adds what is missing; `close` takes away what nobody needs any more, the last rule of ours with the chain. Pure:
 * a chain is opened where a packet that no doubtful rule meets is dropped, in front of the rule that drops it, so that what others refuse before that stays
 * refused (`jumpsFor`).
 */
export function planHook(input: HookInput, half: 'open' | 'close'): Edit[] {
  const { table, hook, mark } = input
  const isOurs = (rule: FilterRule) => isOurJump(rule, table.place, hook, mark)
  const at = { ...input, isOurs, parts: partsOf(input) }
  return half === 'close' ? planClosing(at) : planOpening(at)
}

/** Everything of an instance out of a table. */
export function planRemoval(table: FilterTable, mark: string): Edit[] {
  return HOOKS.flatMap((hook) => partsIn(table, hook, mark).map((part) => removalOf(table, hook, mark, part)))
}

function removalOf(table: FilterTable, hook: FirewallHook, mark: string, part: PartNumber): Edit {
  return { hook, part, chain: 'unmake', put: [], drop: [], unjump: jumpsIn(table, hook, mark, part), jump: [] }
}

/** A part as it is there and as it is wanted. */
interface Part extends WantedPart {
  readonly number: PartNumber
  readonly ours: Held
}

interface AtHook extends HookInput {
  readonly parts: readonly Part[]
  readonly isOurs: (rule: FilterRule) => boolean
}

const ABSENT: Held = { state: 'absent', openings: new Map() }
const NOT_WANTED: WantedPart = { places: [], openings: new Map() }

/** Those that are wanted, in order, and those that are there besides. */
function partsOf({ table, hook, mark, held, wanted }: HookInput): Part[] {
  const numbers = new Set([...wanted.map((_, index) => MAIN_PART + index), ...partsIn(table, hook, mark)])
  return Array.from(numbers, (number) => ({
    number,
    ours: held.get(heldKey(table, hook, number)) ?? ABSENT,
    ...(wanted[number - MAIN_PART] ?? NOT_WANTED),
  }))
}

function planOpening(at: AtHook): Edit[] {
  const { table, hook, parts, mark, isOurs, change } = at
  // Numbers of rules are counted without ours, so that in a chain where one jump comes or moves all of them are put anew.
  const changed = new Set(
    parts.flatMap((part) => part.places.flatMap((place) => (stands(at, part, place) ? [] : [place.chain.name]))),
  )
  return parts.flatMap(({ number, ours, openings, places }): Edit[] => {
    const isWanted = places.length > 0
    const isMade = isWanted && ours.state !== 'sound'
    const candidates = change === undefined || isMade ? openings : change.came
    const put = isWanted ? lacking(candidates, (key) => openings.has(key) && (isMade || !ours.openings.has(key))) : []
    // One that is let through elsewhere now would pass here what it is refused by.
    const isMoved = isWanted && !isMade && number !== MAIN_PART
    const drop = isMoved ? lacking(ours.openings, (key) => !openings.has(key)) : []
    const jump = places.flatMap(({ chain, at: before }) => (changed.has(chain.name) ? [jumpBefore(chain, before, isOurs)] : []))
    const unjump = jumpsIn(table, hook, mark, number).filter(({ base }) => isMade || changed.has(base))
    if (!isMade && put.length + drop.length + jump.length + unjump.length === 0) return []
    return [{ hook, part: number, chain: isMade ? 'make' : 'keep', put, drop, unjump, jump }]
  })
}

function lacking(openings: Openings, isOne: (key: OpeningKey) => boolean): Opening[] {
  const found: Opening[] = []
  for (const [key, opening] of openings) if (isOne(key)) found.push(opening)
  return found
}

/** Whether the jump to a part that is to stay as it is stands at a place already. */
function stands({ table, hook, mark, isOurs }: AtHook, { number, ours }: Part, { chain, at }: Place): boolean {
  const there = ourJumps(chain, table.place, hook, mark).filter(({ part }) => part === number)
  const [jump] = there
  if (ours.state !== 'sound' || jump === undefined || there.length > 1) return false
  return numberOf(chain, jump.at, isOurs) === numberOf(chain, at, isOurs)
}

function planClosing({ table, hook, parts, mark, change }: AtHook): Edit[] {
  const present = new Set(partsIn(table, hook, mark))
  return parts.flatMap(({ number, ours, openings, places }): Edit[] => {
    if (places.length === 0) return present.has(number) ? [removalOf(table, hook, mark, number)] : []
    if (ours.state !== 'sound') return []
    const drop = lacking(change?.went ?? ours.openings, (key) => ours.openings.has(key) && !openings.has(key))
    const needed = new Set(places.map(({ chain }) => chain.name))
    const unjump = jumpsIn(table, hook, mark, number).filter(({ base }) => !needed.has(base))
    return drop.length + unjump.length === 0 ? [] : [{ hook, part: number, chain: 'keep', put: [], drop, unjump, jump: [] }]
  })
}

function jumpsIn(table: FilterTable, hook: FirewallHook, mark: string, number: PartNumber): Edit['unjump'] {
  return [...table.chains.values()].flatMap((chain) => {
    const jumps = ourJumps(chain, table.place, hook, mark).filter(({ part }) => part === number)
    return jumps.length > 0
      ? [{ base: chain.name, rules: jumps.map(({ rule: { handle } }) => ({ base: chain.name, handle })) }]
      : []
  })
}

function jumpBefore(chain: FilterChain, at: number, isOurs: (rule: FilterRule) => boolean): Edit['jump'][number] {
  const rule = chain.rules[at]
  if (rule === undefined) return { base: chain.name, before: undefined, number: undefined }
  return { base: chain.name, before: rule.handle, number: numberOf(chain, at, isOurs) }
}

/** The number that a rule has where ours are left out. */
function numberOf({ rules }: FilterChain, at: number, isOurs: (rule: FilterRule) => boolean): number {
  return rules.slice(0, at).filter((each) => !isOurs(each)).length + 1
}
