import { PointsmanError } from '../../errors.ts'
import type { TranslationTable } from './translation-table.ts'

/** Milliseconds from a message that may mean a change until it is looked at: they come in bursts. */
const SETTLE = 50
/** Looking takes at most one part in so many of the time, however often others change their tables. */
const SHARE = 5

export interface WatchListeners {
  /** Whether the table was changed is to be found out. */
  look(): Promise<void>
  changed(): void
}

/** Listens to changes of a table, and where messages were lost has it looked at. */
export class TableWatch {
  readonly #listeners: WatchListeners
  #end: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #again = false
  #lookTook = 0

  constructor(listeners: WatchListeners) {
    this.#listeners = listeners
  }

  /** Where there is a table changes are listened to from now on; without one nobody needs to hear of them. */
  follow(table: Pick<TranslationTable, 'onChange'> | undefined): void {
    if (table === undefined) this.end()
    else this.#end ??= this.#listen(table)
  }

  /** Undefined where the kernel does not tell: full passes notice, and the next pass tries again. */
  #listen(table: Pick<TranslationTable, 'onChange'>): (() => void) | undefined {
    try {
      return table.onChange((certainty) => (certainty === 'changed' ? this.#listeners.changed() : this.#lookSoon()))
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
  }

  #lookSoon(): void {
    if (this.#timer !== undefined) {
      this.#again = true
      return
    }
    this.#timer = setTimeout(() => void this.#look(), Math.max(SETTLE, this.#lookTook * SHARE))
    this.#timer.unref()
  }

  async #look(): Promise<void> {
    this.#again = false
    const began = performance.now()
    try {
      await this.#listeners.look()
    } catch {
      // Whoever makes the next pass meets the same trouble, and reports it.
    }
    this.#lookTook = performance.now() - began
    if (this.#timer === undefined) return
    this.#timer = undefined
    if (this.#again) this.#lookSoon()
  }
}
