import type { FilterChain, FilterRule, FilterTable } from './filter.ts'
import { judge, type Packet, packetOf } from './judge.ts'
import type { Opening, OpeningKey, Openings } from './opening.ts'
import { packetClasses, rulesFrom } from './packet-classes.ts'
import type { Decided } from './place.ts'

/** What becomes of the packet of an opening. */
export interface Judged {
  readonly opening: Opening
  /** The same for all that are decided alike. */
  readonly decided: Decided
}

/** What was decided in a chain, as long as the chain is not read again. */
interface Known {
  readonly byOpening: Map<OpeningKey, Decided>
  readonly byClass: Map<string, Decided>
  readonly alike: Map<string, Decided>
  readonly classOf: (packet: Packet) => string
}

const KNOWN = { tracked: new WeakMap<FilterChain, Known>(), untracked: new WeakMap<FilterChain, Known>() }

/** What becomes of these packets in a chain; none where it drops nothing at all. */
export function judgedIn(
  table: FilterTable,
  base: FilterChain,
  openings: Openings,
  tracked: boolean,
  passOver: (rule: FilterRule) => boolean,
): Judged[] {
  if (base.base?.policy === 'accept' && !mayDrop(table, base)) return []
  const ofChains = KNOWN[tracked ? 'tracked' : 'untracked']
  const known: Known = ofChains.get(base) ?? {
    byOpening: new Map(),
    byClass: new Map(),
    alike: new Map(),
    classOf: packetClasses(table, base, passOver),
  }
  ofChains.set(base, known)
  const decide = (key: OpeningKey, opening: Opening): Decided => {
    const packet = packetOf(opening, tracked)
    const name = known.classOf(packet)
    const decided = known.byClass.get(name) ?? alike(known, judge(table, base, packet, passOver))
    known.byClass.set(name, decided)
    known.byOpening.set(key, decided)
    return decided
  }
  return Array.from(openings, ([key, opening]) => ({ opening, decided: known.byOpening.get(key) ?? decide(key, opening) }))
}

function alike(known: Known, { otherwise, path, doubt }: Decided): Decided {
  const text = `${otherwise} ${path.join()} ${doubt?.join()}`
  const decided = known.alike.get(text) ?? { otherwise, path, doubt }
  known.alike.set(text, decided)
  return decided
}

/** Whether there is any rule that drops, so that packets need not be followed through the others. */
function mayDrop({ chains }: FilterTable, base: FilterChain): boolean {
  for (const { verdict } of rulesFrom(chains, base, () => false))
    if (verdict.kind === 'drop' || verdict.kind === 'unknown') return true
  return false
}
