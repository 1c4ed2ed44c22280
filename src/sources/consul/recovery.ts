/** Milliseconds between two questions that are asked ahead of their time while an agent fails. */
export const SCOUT_GAP = 500

/**
 * The waits of all who ask the same agents and get nothing to believe. A back-off spares an agent that is in trouble, and
 * would leave everybody behind for half a minute when it is well again. So one of them at a time asks ahead of its time, in
 * turn, and the first good answer wakes the others: two questions a second, however many they are.
 */
export class Recovery {
  /** Ends the wait of each, who has waited longest first. */
  readonly #waiting = new Set<() => void>()
  #scouts: NodeJS.Timeout | undefined

  /** Resolves after `delay` milliseconds, when it is its turn to ask, or when somebody had a good answer. Rejects when aborted. */
  wait(delay: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', giveUp)
        this.#waiting.delete(end)
        if (this.#waiting.size === 0) this.#endScouting()
        resolve()
      }
      const giveUp = () => {
        reject(signal.reason)
        end()
      }
      const timer = setTimeout(end, delay)
      if (signal.aborted) return giveUp()
      signal.addEventListener('abort', giveUp)
      this.#waiting.add(end)
      this.#scouts ??= setInterval(() => this.#sendScout(), SCOUT_GAP)
    })
  }

  /** Somebody who had failed has a good answer: whoever waits asks at once. */
  wake(): void {
    for (const end of [...this.#waiting]) end()
  }

  #sendScout(): void {
    const [first] = this.#waiting
    first?.()
  }

  #endScouting(): void {
    clearInterval(this.#scouts)
    this.#scouts = undefined
  }
}
