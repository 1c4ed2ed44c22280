import { setImmediate as nextTurn } from 'node:timers/promises'

const LONGEST_STRETCH = 6
const LOOK_EVERY = 32

/** Lets the event loop run now and then during a long pass: work goes on for about 6 ms at a time. */
export class Turn {
  #began = performance.now()
  #count = 0

  /** Call for each object, or for several at once; true when this turn of the event loop has lasted long enough. */
  isOver(objects = 1): boolean {
    this.#count += objects
    if (this.#count < LOOK_EVERY) return false
    this.#count = 0
    return performance.now() - this.#began > LONGEST_STRETCH
  }

  async next(): Promise<void> {
    await nextTurn()
    this.#began = performance.now()
  }
}
