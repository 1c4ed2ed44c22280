import { PointsmanError } from '../../errors.ts'
import type { TranslationTable } from './translation-table.ts'

/** Milliseconds from a message that may mean a change until it is looked at: they come in bursts. */
const SETTLE = 50
/** Looking takes at most one part in so many of the time, however often others change their tables. */
const SHARE = 5
/** Looks in a row that may take half of the time: who has changed one thing is often about to change more. */
const HURRIED = 5
/** Milliseconds of rest after which there is one more of them. */
const REFILL = 5_000

/** Listens to changes of a table, and has it looked at: at once where it was changed for certain, and soon where it may have been. */
export class TableWatch {
  readonly #lookAt: () => Promise<void>
  #end: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  /** When it ends. */
  #due = 0
  #looking = false
  /** What was heard while the table was being looked at. */
  #again: 'changed' | 'perhaps' | undefined
  #lookTook = 0
  #lookedAt = Number.NEGATIVE_INFINITY
  /** With fractions: rest counts against it. */
  #inARow = 0

  /** `look` finds out what was changed. */
  constructor(look: () => Promise<void>) {
    this.#lookAt = look
  }

  /** Where there is a table changes are listened to from now on; without one nobody needs to hear of them. */
  follow(table: Pick<TranslationTable, 'onChange'> | undefined): void {
    if (table === undefined) this.end()
    else this.#end ??= this.#listen(table)
  }

  /** Undefined where the kernel does not tell: full passes notice, and the next pass tries again. */
  #listen(table: Pick<TranslationTable, 'onChange'>): (() => void) | undefined {
    try {
      return table.onChange((certainty) => this.#heard(certainty))
    } catch (error) {
      if (error instanceof PointsmanError) return undefined
      throw error
    }
  }

  end(): void {
    this.#end?.()
    this.#end = undefined
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#again = undefined
  }

  #heard(certainty: 'changed' | 'perhaps'): void {
    if (this.#looking) this.#again = certainty === 'changed' ? certainty : (this.#again ?? certainty)
    else this.#lookAfter(certainty)
  }

  #lookAfter(certainty: 'changed' | 'perhaps'): void {
    const wait = this.#wait(certainty)
    const due = performance.now() + wait
    if (this.#timer !== undefined && this.#due <= due) return
    clearTimeout(this.#timer)
    this.#due = due
    this.#timer = setTimeout(() => void this.#look(), wait)
    this.#timer.unref()
  }

  /** Milliseconds until the next look. */
  #wait(certainty: 'changed' | 'perhaps'): number {
    const rest = performance.now() - this.#lookedAt
    const share = this.#inARow < HURRIED ? 1 : SHARE
    return Math.max(certainty === 'perhaps' ? SETTLE : 0, this.#lookTook * share - rest)
  }

  async #look(): Promise<void> {
    this.#timer = undefined
    this.#looking = true
    const began = performance.now()
    this.#inARow = Math.max(0, this.#inARow - (began - this.#lookedAt) / REFILL) + 1
    try {
      await this.#lookAt()
    } catch {
      // Whoever makes the next pass meets the same trouble, and reports it.
    }
    this.#lookedAt = performance.now()
    this.#lookTook = this.#lookedAt - began
    this.#looking = false
    const again = this.#again
    this.#again = undefined
    if (again !== undefined && this.#end !== undefined) this.#lookAfter(again)
  }
}
