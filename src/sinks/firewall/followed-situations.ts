import { type FilterRule, type FilterTable, placeFamilies, placeKey } from './filter.ts'
import type { FirewallHook } from './opening.ts'
import { isOurJump } from './ours.ts'
import { Situation } from './situation.ts'
import type { WantedOpenings } from './wanted.ts'

interface Followed {
  readonly table: FilterTable
  readonly tracked: boolean
  readonly situation: Situation
  /** Of the wanted openings, when it was made: since then only elements came and went. */
  readonly builtAt: number
  revision: number
}

/** Situations that follow what is wanted, as long as the table is not another one. */
export class FollowedSituations {
  readonly #wants: WantedOpenings
  readonly #marks: readonly string[]
  readonly #known = new Map<string, Followed>()

  /** `marks`: those of rules that are passed over. */
  constructor(wants: WantedOpenings, marks: readonly string[]) {
    this.#wants = wants
    this.#marks = marks
  }

  of(table: FilterTable, hook: FirewallHook, tracked: boolean): Pick<Followed, 'situation' | 'builtAt'> {
    const name = `${placeKey(table.place)} ${hook}`
    const known = this.#known.get(name)
    const { revision } = this.#wants
    if (known?.table === table && known.tracked === tracked) {
      const change = this.#wants.since(known.revision)
      if (change !== undefined && known.situation.follow(change)) {
        known.revision = revision
        return known
      }
    }
    const here = this.#wants.at(hook, placeFamilies(table.place))
    const passOver = (rule: FilterRule) => this.#marks.some((mark) => isOurJump(rule, table.place, hook, mark))
    const situation = new Situation(table, hook, here, tracked, passOver)
    const made = { table, tracked, situation, builtAt: revision, revision }
    this.#known.set(name, made)
    return made
  }
}
