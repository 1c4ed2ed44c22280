import type { FilterChain, FilterRule, FilterTable } from './filter.ts'
import { judge, type Packet, packetOf } from './judge.ts'
import type { Opening, OpeningKey } from './opening.ts'
import { packetClasses, rulesFrom } from './packet-classes.ts'
import type { Decided } from './place.ts'

/** What becomes of the packet of an opening: the same object for all that are decided alike. */
export type Decide = (key: OpeningKey, opening: Opening) => Decided

const KNOWN = { tracked: new WeakMap<FilterChain, Decide>(), untracked: new WeakMap<FilterChain, Decide>() }

/** Judges packets in a chain, each once as long as the chain is not read again; undefined where it drops nothing at all. */
export function judgeOf(
  table: FilterTable,
  base: FilterChain,
  tracked: boolean,
  passOver: (rule: FilterRule) => boolean,
): Decide | undefined {
  if (base.base?.policy === 'accept' && !mayDrop(table, base)) return undefined
  const ofChains = KNOWN[tracked ? 'tracked' : 'untracked']
  const decide = ofChains.get(base) ?? newJudge(table, base, tracked, passOver)
  ofChains.set(base, decide)
  return decide
}

function newJudge(table: FilterTable, base: FilterChain, tracked: boolean, passOver: (rule: FilterRule) => boolean): Decide {
  const byOpening = new Map<OpeningKey, Decided>()
  const byClass = new Map<string, Decided>()
  const alike = new Map<string, Decided>()
  const classOf = packetClasses(table, base, passOver)
  const ofClass = (packet: Packet): Decided => {
    const { otherwise, path, doubt } = judge(table, base, packet, passOver)
    const text = `${otherwise} ${path.join()} ${doubt?.join()}`
    const decided = alike.get(text) ?? { otherwise, path, doubt }
    alike.set(text, decided)
    return decided
  }
  return (key, opening) => {
    const known = byOpening.get(key)
    if (known !== undefined) return known
    const packet = packetOf(opening, tracked)
    const name = classOf(packet)
    const decided = byClass.get(name) ?? ofClass(packet)
    byClass.set(name, decided)
    byOpening.set(key, decided)
    return decided
  }
}

/** Whether there is any rule that drops, so that packets need not be followed through the others. */
function mayDrop({ chains }: FilterTable, base: FilterChain): boolean {
  for (const { verdict } of rulesFrom(chains, base, () => false))
    if (verdict.kind === 'drop' || verdict.kind === 'unknown') return true
  return false
}
