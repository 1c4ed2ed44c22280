import { isDeepStrictEqual } from 'node:util'
import { type FilterTable, placeKey } from './filter.ts'
import { readIptablesHeld } from './iptables-writes.ts'
import { readNftHeld } from './nft-writes.ts'
import { type FirewallHook, HOOKS } from './opening.ts'
import { type Held, MAIN_PART, ourJumps, type PartNumber, partsIn } from './ours.ts'

/** The filters of the host as they were read, with what is ours in them. */
export interface FirewallImage {
  readonly tables: readonly FilterTable[]
  /** By `heldKey`; of parts that are not there the first alone. */
  readonly held: ReadonlyMap<string, Held>
  /** As for `packetOf`. */
  readonly tracked: boolean
}

export function heldKey({ place }: Pick<FilterTable, 'place'>, hook: FirewallHook, part: PartNumber): string {
  return `${placeKey(place)} ${hook} ${part}`
}

/** `before`: the image before that, where there is one. */
export function imageOf(tables: readonly FilterTable[], mark: string, tracked: boolean, before?: FirewallImage): FirewallImage {
  const held = new Map<string, Held>()
  for (const table of tables) {
    const read = table.place.kind === 'nft' ? readNftHeld : readIptablesHeld
    for (const hook of HOOKS)
      for (const part of new Set([MAIN_PART, ...partsIn(table, hook, mark)])) {
        const key = heldKey(table, hook, part)
        held.set(key, read(table, hook, mark, part, tracked, before?.held.get(key)?.openings))
      }
  }
  return { tables, held, tracked }
}

/** What of ours was sound in an image and is otherwise in the one that was read after it, as far as it can be read there: `heldKey`s. */
export function lostBetween(before: FirewallImage, after: FirewallImage, mark: string): string[] {
  const were = jumpsOf(before, mark)
  const are = jumpsOf(after, mark)
  // What cannot be read now says nothing of what is there.
  const unseen = after.tables.flatMap(({ place, unwritable }) => (unwritable === undefined ? [] : [`${placeKey(place)} `]))
  return [...before.held].flatMap(([key, held]) => {
    if (held.state !== 'sound' || unseen.some((table) => key.startsWith(table))) return []
    return areAlike(held, after.held.get(key)) && were.get(key) === are.get(key) ? [] : key
  })
}

/**
 * An image as it was read, with what is the same in the one before as the same objects, so that nobody looks at it again; where nothing is otherwise, that image itself. Not
 * where that is `stale`: what was written since is not in it.
 */
export function unchanged(before: FirewallImage | undefined, read: FirewallImage, mark: string, stale: boolean): FirewallImage {
  if (before === undefined) return read
  const known = new Map(before.tables.map((table) => [placeKey(table.place), table]))
  const tables = read.tables.map((table) => {
    const was = known.get(placeKey(table.place))
    return was !== undefined && isSameTable(was, table, mark) ? was : table
  })
  const isSame =
    !stale &&
    before.tracked === read.tracked &&
    tables.length === before.tables.length &&
    tables.every((table, index) => table === before.tables[index]) &&
    before.held.size === read.held.size &&
    [...before.held].every(([key, held]) => areAlike(held, read.held.get(key)))
  return isSame ? before : { ...read, tables }
}

function areAlike({ state, openings }: Held, other: Held | undefined): boolean {
  if (other?.state !== state || other.openings.size !== openings.size) return false
  for (const key of openings.keys()) if (!other.openings.has(key)) return false
  return true
}

/** But for the elements of our own sets. */
function isSameTable(a: FilterTable, b: FilterTable, mark: string): boolean {
  if (a.sets.size !== b.sets.size || !isDeepStrictEqual(a.unwritable, b.unwritable)) return false
  for (const [name, set] of b.sets) {
    const was = a.sets.get(name)
    const isSame = name.startsWith(`${mark}-`) ? isDeepStrictEqual(was?.type, set.type) : isDeepStrictEqual(was, set)
    if (!isSame) return false
  }
  return isDeepStrictEqual(a.chains, b.chains)
}

/** The chains with a jump of ours, as one text for each part of ours. */
function jumpsOf({ tables }: FirewallImage, mark: string): Map<string, string> {
  const jumps = new Map<string, string>()
  for (const table of tables)
    for (const hook of HOOKS)
      for (const chain of table.chains.values())
        for (const { part } of ourJumps(chain, table.place, hook, mark)) {
          const key = heldKey(table, hook, part)
          const before = jumps.get(key)
          jumps.set(key, before === undefined ? chain.name : `${before} ${chain.name}`)
        }
  return jumps
}
