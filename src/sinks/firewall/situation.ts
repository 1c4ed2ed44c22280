import { baseChains, type FilterChain, type FilterRule, type FilterTable, placeFamilies } from './filter.ts'
import { type Decide, judgeOf } from './judged.ts'
import { type FirewallHook, type Opening, type OpeningKey, type Openings, openingFamily } from './opening.ts'
import type { OpeningChange } from './opening-index.ts'
import { type Decided, isOpenedBy, type Jump, jumpsFor, type Place } from './place.ts'

/** What one part of ours is to let through, and where jumps to it belong: nowhere, where nothing is dropped. */
export interface WantedPart {
  readonly openings: Openings
  readonly places: readonly Place[]
}

/** Openings that are dropped and cannot be let through. */
export interface Closed {
  readonly chain: string
  readonly openings: readonly Opening[]
}

interface InBase {
  readonly base: FilterChain
  readonly decide: Decide
  /** How many openings are decided so. */
  readonly counts: Map<Decided, number>
  readonly jumps: readonly Jump[]
  /** By the jump that lets nothing else through. */
  readonly further: ReadonlyMap<Jump, Map<OpeningKey, Opening>>
}

/** What becomes of the wanted openings of one hook in one table, and which parts of ours that takes. */
export class Situation {
  /** The first one is for all of them. */
  readonly parts: readonly WantedPart[]
  readonly #table: FilterTable
  readonly #hook: FirewallHook
  readonly #here: Openings
  readonly #inBases: readonly InBase[]

  /** `here`: those of the hook and of the table's families. `passOver`: rules of ours. */
  constructor(table: FilterTable, hook: FirewallHook, here: Openings, tracked: boolean, passOver: (rule: FilterRule) => boolean) {
    this.#table = table
    this.#hook = hook
    this.#here = here
    this.#inBases = baseChains(table, hook).flatMap((base) => {
      const decide = judgeOf(table, base, tracked, passOver)
      return decide === undefined ? [] : [inBase(table, base, here, decide)]
    })
    const places = this.#inBases.flatMap(({ jumps }) => jumps.flatMap(({ place, only }) => (only === undefined ? place : [])))
    const further = this.#inBases.flatMap((each) =>
      [...each.further].map(([{ place }, openings]) => ({ openings, places: [place] })),
    )
    this.parts = [{ openings: here, places }, ...further]
  }

  /** Takes over what changed among the openings. False where other places may be needed now: then it is of no use any more. */
  follow({ came, went }: OpeningChange): boolean {
    const families = placeFamilies(this.#table.place)
    const gone = [...went].filter(([, each]) => each.hook === this.#hook && families.includes(openingFamily(each)))
    const here = [...came].filter(([key]) => this.#here.has(key))
    return this.#inBases.every((base) => gone.every(leaves(base)) && here.every(joins(base)))
  }

  closed(): Closed[] {
    return this.#inBases.flatMap(({ base, decide, counts, jumps }) => {
      const isClosed = (decided: Decided) => decided.otherwise === 'drop' && !isOpenedBy(jumps, decided)
      if (![...counts.keys()].some(isClosed)) return []
      const openings = [...this.#here].flatMap(([key, opening]) => (isClosed(decide(key, opening)) ? opening : []))
      return [{ chain: base.name, openings }]
    })
  }
}

function inBase(table: FilterTable, base: FilterChain, here: Openings, decide: Decide): InBase {
  const counts = new Map<Decided, number>()
  for (const [key, opening] of here) {
    const decided = decide(key, opening)
    counts.set(decided, (counts.get(decided) ?? 0) + 1)
  }
  const isDropped = [...counts.keys()].some(({ otherwise }) => otherwise === 'drop')
  const jumps = isDropped ? jumpsFor(table, base, [...counts.keys()]) : []
  const further = new Map<Jump, Map<OpeningKey, Opening>>()
  for (const jump of jumps) {
    const { only } = jump
    if (only !== undefined) further.set(jump, new Map([...here].filter(([key, opening]) => only.has(decide(key, opening)))))
  }
  return { base, decide, counts, jumps, further }
}

type Followed = (entry: readonly [OpeningKey, Opening]) => boolean

function joins({ decide, counts, further }: InBase): Followed {
  return ([key, opening]) => {
    const decided = decide(key, opening)
    const count = counts.get(decided)
    if (count === undefined) return false
    counts.set(decided, count + 1)
    for (const [{ only }, openings] of further) if (only?.has(decided)) openings.set(key, opening)
    return true
  }
}

function leaves({ decide, counts, further }: InBase): Followed {
  return ([key, opening]) => {
    const decided = decide(key, opening)
    const count = counts.get(decided) ?? 0
    if (count <= 1) return false
    counts.set(decided, count - 1)
    for (const openings of further.values()) openings.delete(key)
    return true
  }
}
