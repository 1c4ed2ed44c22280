import { monotonic, type Window } from '../monotonic.ts'

/** One turn of the event loop. */
export interface Turn extends Window {
  /** Milliseconds of processor time. */
  readonly milliseconds: number
}

const NONE: Turn = { milliseconds: 0, from: 0, to: 0 }

/**
 * Measures the longest turn of this thread's event loop by the processor time that it took: what other programs take from the
 * machine meanwhile does not count. While it watches the loop never sleeps.
 */
export class TurnWatch {
  #longest = NONE
  #used = 0
  #began = 0
  #watching = false

  start(): void {
    this.#watching = true
    this.#longest = NONE
    this.#used = threadTime()
    this.#began = monotonic()
    setImmediate(() => this.#turn())
  }

  /** The longest turn since the last call. */
  longest(): Turn {
    const longest = this.#longest
    this.#longest = NONE
    return longest
  }

  stop(): void {
    this.#watching = false
  }

  #turn(): void {
    if (!this.#watching) return
    const used = threadTime()
    const now = monotonic()
    const milliseconds = used - this.#used
    if (milliseconds > this.#longest.milliseconds) this.#longest = { milliseconds, from: this.#began, to: now }
    this.#used = used
    this.#began = now
    setImmediate(() => this.#turn())
  }
}

function threadTime(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
