/** Steps one after the other: what reads and what writes never overlap, or whoever reads would take its own writing for somebody else's. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  /** Runs the step when those before it are over, however they ended; gives or throws what it does. */
  take<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#last.then(step)
    this.#last = result.catch(() => undefined)
    return result
  }

  /** Resolves when every step asked for by now is over. */
  async over(): Promise<void> {
    await this.#last
  }
}
