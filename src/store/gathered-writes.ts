/** Milliseconds from a failed write to the next try. */
const RETRY = 30_000

/** Calls a writer some time after the first thing to be written, one call after the other, and again later when it fails. */
export class GatheredWrites {
  readonly #gather: number
  readonly #write: () => Promise<void>
  readonly #onFailure: (cause: unknown) => void
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #failing = false

  /**
   * `gather`: milliseconds for which what is to be written is gathered. `write` rejects when nothing was written; what it was to
   * write still waits then. `onFailure` is told once when writing begins to fail.
   */
  constructor(gather: number, write: () => Promise<void>, onFailure: (cause: unknown) => void) {
    this.#gather = gather
    this.#write = write
    this.#onFailure = onFailure
  }

  /** There is something to be written. */
  soon(): void {
    this.#timer ??= setTimeout(() => void this.flush(), this.#failing ? RETRY : this.#gather).unref()
  }

  /** Writes what waits; never rejects. */
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing = this.#writing.then(() => this.#attempt())
    return this.#writing
  }

  /** A last try. */
  async close(): Promise<void> {
    await this.flush()
    clearTimeout(this.#timer)
  }

  async #attempt(): Promise<void> {
    try {
      await this.#write()
      this.#failing = false
    } catch (cause) {
      if (!this.#failing) this.#onFailure(cause)
      this.#failing = true
      this.soon()
    }
  }
}
