import type { FilterChain, FilterTable } from './filter.ts'
import type { Judgement, RulePath } from './judge.ts'

/** What a judgement says of places. */
export type Decided = Pick<Judgement, 'otherwise' | 'path' | 'doubt'>

/** Before which rule of which chain a jump of ours stands; the number of its rules: behind all of them. */
export interface Place {
  readonly chain: FilterChain
  readonly at: number
  readonly path: RulePath
}

/**
 * Where one jump, which lets all these packets through that come to it, is in front of what drops some of them and bypasses nothing that others refuse to any:
 * no rule that may drop a packet stands between the jump and the rule that decides of that packet. The first such place; undefined where there is none, or
 * nothing is dropped.
 *
 * It is in the chain of the deciding rule, as long as one rule alone leads to that chain: to another one packets come for reasons that are not known here
 * (everything that is to be logged and dropped), so that the place is in front of the rule that leads there.
 */
export function placeFor(table: FilterTable, base: FilterChain, packets: readonly Decided[]): Place | undefined {
  const places = new Map<string, Place>()
  for (const { otherwise, path } of packets) {
    if (otherwise !== 'drop') continue
    const place = placeOf(table, base, path)
    places.set(place.path.join(), place)
  }
  const inOrder = [...places.values()].sort((a, b) => compare(a.path, b.path))
  return inOrder.find((place) =>
    packets.every(({ path, doubt }) => isBefore(path, place) || doubt === undefined || isBefore(doubt, place)),
  )
}

/** Whether a packet that is dropped is opened by a jump at this place. */
export function isOpened({ path }: Decided, place: Place | undefined): boolean {
  return place !== undefined && !isBefore(path, place)
}

function isBefore(path: RulePath, place: Place): boolean {
  return compare(path, place.path) < 0
}

function placeOf(table: FilterTable, base: FilterChain, path: RulePath): Place {
  let chain = base
  for (const [depth, at] of path.entries()) {
    const verdict = chain.rules[at]?.verdict
    const target = verdict !== undefined && 'target' in verdict ? verdict.target : undefined
    const next = target === undefined || waysTo(table, target) > 1 ? undefined : table.chains.get(target)
    if (depth < path.length - 1 && next !== undefined) chain = next
    else {
      const first = firstOfRule(chain, at)
      return { chain, at: first, path: [...path.slice(0, depth), first] }
    }
  }
  return { chain, at: chain.rules.length, path }
}

/** A verdict map was read as several rules, between which nothing can be put. */
function firstOfRule({ rules }: FilterChain, at: number): number {
  const handle = rules[at]?.handle
  return handle === undefined ? at : rules.findIndex((rule) => rule.handle === handle)
}

const WAYS = new WeakMap<FilterTable['chains'], ReadonlyMap<string, number>>()

/** How many rules lead to a chain. */
function waysTo({ chains }: FilterTable, name: string): number {
  const known = WAYS.get(chains)
  if (known !== undefined) return known.get(name) ?? 0
  const ways = new Map<string, number>()
  for (const { rules } of chains.values())
    for (const { verdict } of rules) if ('target' in verdict) ways.set(verdict.target, (ways.get(verdict.target) ?? 0) + 1)
  WAYS.set(chains, ways)
  return ways.get(name) ?? 0
}

/** Along the way of a packet; a rule that leads to a chain is before the rules of that chain. */
function compare(a: RulePath, b: RulePath): number {
  for (let depth = 0; depth < Math.max(a.length, b.length); depth++) {
    const difference = (a[depth] ?? -1) - (b[depth] ?? -1)
    if (difference !== 0) return difference
  }
  return 0
}
