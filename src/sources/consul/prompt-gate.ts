/** Questions under way at one time that wait for no index: more make none of them quicker. */
export const AT_ONCE = 64

/**
 * Lets so many prompt questions through at a time. At a start every service has one, and a thousand at once would keep a small agent
 * busy until the deadline of most of them: an outage of our own making.
 */
export class PromptGate {
  readonly #atOnce: number
  /** In the order in which they came. */
  readonly #waiting = new Set<() => void>()
  #under = 0
  /** Milliseconds on the clock of performance.now() when somebody last had an answer. */
  #answeredAt = Number.NEGATIVE_INFINITY

  constructor(atOnce = AT_ONCE) {
    this.#atOnce = atOnce
  }

  /**
   * Resolves when the question may be sent; it must leave in any case then. Waiting here is no fault of the agent while it answers others:
   * rejects with `late` when nobody had an answer for `patience` milliseconds. Rejects with the signal's reason when it is aborted.
   */
  async enter(patience: number, late: Error, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#under < this.#atOnce) {
      this.#under++
      return
    }
    await this.#turn(patience, late, signal)
  }

  /** The question is over; `answered` where the agent had something to say. */
  leave(answered: boolean): void {
    if (answered) this.#answeredAt = performance.now()
    const [next] = this.#waiting
    if (next === undefined) this.#under--
    else next()
  }

  #turn(patience: number, late: Error, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const since = performance.now()
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', aborted)
      this.#waiting.delete(enter)
    }
    const enter = () => {
      end()
      resolve()
    }
    const look = () => {
      const left = Math.max(since, this.#answeredAt) + patience - performance.now()
      if (left > 0) timer = setTimeout(look, Math.max(1, left))
      else {
        end()
        reject(late)
      }
    }
    const aborted = () => {
      end()
      reject(signal.reason)
    }
    let timer = setTimeout(look, patience)
    signal.addEventListener('abort', aborted)
    this.#waiting.add(enter)
    return promise
  }
}
