import { createHistogram } from 'node:perf_hooks'

/** Milliseconds between two looks at the clock: every 20 they are a third of what a daemon costs that has nothing else to do. */
const STEP = 50

/** Seconds by which the event loop was late since it was asked last: the median, the 99th percentile, the most. */
export interface EventLoopLateness {
  readonly median: number
  readonly p99: number
  readonly most: number
}

/**
 * How much later than its moment a timer of the main thread runs. `monitorEventLoopDelay` of node:perf_hooks adds its own
 * interval to every value, and forgets after each reset what is under way: of all delays that of the scrape itself.
 */
export class EventLoopDelay implements Disposable {
  readonly #late = createHistogram()
  readonly #timer: NodeJS.Timeout
  readonly #clock: () => number
  #last: number

  /** `clock`: milliseconds that never jump. */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock
    this.#last = clock()
    this.#timer = setInterval(() => this.look(), STEP).unref()
  }

  /** Notes how late it is; the timer calls it. */
  look(): void {
    const now = this.#clock()
    // A histogram begins at 1: what is no delay is a nanosecond.
    this.#late.record(Math.max(1, Math.round((now - this.#last - STEP) * 1e6)))
    this.#last = now
  }

  /** What was seen since the last call; undefined: nothing yet. */
  take(): EventLoopLateness | undefined {
    const late = this.#late
    if (late.count === 0) return undefined
    const taken = { median: late.percentile(50) / 1e9, p99: late.percentile(99) / 1e9, most: late.max / 1e9 }
    late.reset()
    return taken
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
