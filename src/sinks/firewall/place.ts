import { FIREWALLD, type FilterChain, type FilterTable } from './filter.ts'
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
 * It is in the chain of the deciding rule, as long as one rule alone leads to that chain, or it is a zone of firewalld: to another one packets come for reasons that
 * are not known here (everything that is to be logged and dropped), so that the place is in front of the rule that leads there.
 */
function placeFor(table: FilterTable, base: FilterChain, packets: readonly Decided[]): Place | undefined {
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

/** A jump of ours. */
export interface Jump {
  readonly place: Place
  /** The packets that it lets through; undefined: all. */
  readonly only: ReadonlySet<Decided> | undefined
}

/**
 * The jumps that let these packets through. The first place serves all of them where there is one; what is dropped ahead of it gets jumps of its own that let nothing
 * else through, as few as there can be. A packet that none of them opens is refused to some where no rule can be put behind that (`isOpenedBy`).
 */
export function jumpsFor(table: FilterTable, base: FilterChain, packets: readonly Decided[]): Jump[] {
  const first = placeFor(table, base, packets)
  const jumps: Jump[] = first === undefined ? [] : [{ place: first, only: undefined }]
  let closed = packets.filter(
    (packet) => packet.otherwise === 'drop' && !isOpened(packet, first) && hasPlace(table, base, packet),
  )
  while (closed.length > 0) {
    const place = placeFor(table, base, closed)
    const only = new Set(closed.filter((packet) => isOpened(packet, place)))
    if (place === undefined || only.size === 0) break
    jumps.push({ place, only })
    closed = closed.filter((packet) => !only.has(packet))
  }
  return jumps
}

/** Whether a packet that is dropped is opened by one of the jumps that were found for it and others. */
export function isOpenedBy(jumps: readonly Jump[], packet: Decided): boolean {
  return jumps.some(({ place, only }) => (only === undefined ? isOpened(packet, place) : only.has(packet)))
}

/** Whether a rule for it alone can be put in front of what drops it and behind what it is refused by to some. */
function hasPlace(table: FilterTable, base: FilterChain, { path, doubt }: Decided): boolean {
  return doubt === undefined || isBefore(doubt, placeOf(table, base, path))
}

function isOpened({ path }: Decided, place: Place | undefined): boolean {
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
    const next = target === undefined || !isEnteredByOne(table, target) ? undefined : table.chains.get(target)
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

/** What a zone of firewalld says holds for everybody whom it is for, by whichever interface or address that is found; it counts the rules that lead to zones. */
const ZONE = /^filter_(IN|FWD)_/

function isEnteredByOne(table: FilterTable, chain: string): boolean {
  if (table.place.kind === 'nft' && table.place.table === FIREWALLD && ZONE.test(chain)) return true
  return waysTo(table, chain) <= 1
}

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
