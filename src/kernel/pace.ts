import { setImmediate as nextTurn } from 'node:timers/promises'

/** Milliseconds that decoding may hold the main thread before everything else has its turn. */
const SLICE = 5
/** How many steps are made between two looks at the clock. */
const STEPS = 64

/** Cuts long work on the main thread into slices, so that probes, sources and the watchdog never wait for it. */
export class Pace {
  #steps = 0
  #since = performance.now()

  /** Counts one step; true when `rest` is due. */
  due(): boolean {
    return ++this.#steps % STEPS === 0 && this.late()
  }

  /** True when `rest` is due, by the clock alone. */
  late(): boolean {
    return performance.now() - this.#since >= SLICE
  }

  async rest(): Promise<void> {
    await nextTurn()
    this.#since = performance.now()
  }
}
