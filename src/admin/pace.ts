import { setImmediate } from 'node:timers/promises'

/** Milliseconds of work in one go. In a slow virtual machine a step of it may take ten times as long as planned. */
const SLICE = 4

/** How many steps pass between two looks at the clock. */
const STEPS_PER_LOOK = 32

/**
 * Cuts long work on the main thread into slices, so that probes, sources and the watchdog get their turn: ask `due()`
 * after each item and await `rest()` when it says so.
 */
export class Pace {
  #steps = 0
  #sliceEnds = performance.now() + SLICE

  /** Whether the slice is used up. */
  due(): boolean {
    return ++this.#steps % STEPS_PER_LOOK === 0 && performance.now() >= this.#sliceEnds
  }

  /** Resolves when the rest of the program has had its turn. */
  async rest(): Promise<void> {
    await setImmediate()
    this.#sliceEnds = performance.now() + SLICE
  }
}
