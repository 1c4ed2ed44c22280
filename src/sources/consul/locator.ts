import { type ChangedChecks, type CheckList, changedChecks } from './check-list.ts'
import type { QueryReader } from './query-reader.ts'

/** Milliseconds between two looks at least, and how many times the last look's length: a large catalog is read a quarter of the time. */
const LOOK_GAP = 100
const LOOK_SHARE = 3

/**
 * Finds out which services gained or lost instances, from the list of all passing checks: one large answer in place of a
 * question for each service. Instances without a check are not found, nor is a change of weight or address alone.
 */
export class Locator {
  readonly #reader: QueryReader<CheckList>
  readonly #found: (changed: ChangedChecks | undefined) => void
  #last: CheckList | undefined
  #looking: AbortController | undefined
  #again = false
  #nextLook = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  /** `found` is told of every look; undefined when it could not be compared with one before. */
  constructor(reader: QueryReader<CheckList>, found: (changed: ChangedChecks | undefined) => void) {
    this.#reader = reader
    this.#found = found
  }

  /** Looks now, or as soon as the last look is long enough ago. */
  look(): void {
    const wait = this.#nextLook - performance.now()
    clearTimeout(this.#timer)
    if (this.#looking !== undefined) this.#again = true
    else if (wait > 0) this.#timer = setTimeout(() => this.look(), wait)
    else void this.#look()
  }

  /** Gives up a look that is under way, which may hang; the next one compares with the last that found something. */
  giveUp(): void {
    this.close()
    this.#looking = undefined
    this.#again = false
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#looking?.abort()
  }

  async #look(): Promise<void> {
    const looking = new AbortController()
    this.#looking = looking
    const began = performance.now()
    const before = this.#last
    // A look that fails finds nothing; the triggers tell of the outage, and the next round finds the rest.
    const found = await this.#reader
      .ask(0n, looking.signal)
      .then(({ content }) => content)
      .catch(() => undefined)
    if (looking.signal.aborted) return
    this.#last = found
    const now = performance.now()
    this.#looking = undefined
    this.#nextLook = now + Math.max(LOOK_GAP, LOOK_SHARE * (now - began))
    this.#found(before !== undefined && found !== undefined ? changedChecks(before, found) : undefined)
    if (this.#again) this.look()
    this.#again = false
  }
}
