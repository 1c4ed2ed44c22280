/** Milliseconds for which the operator waits for a pass; a command of his has ten seconds. */
const PATIENCE = 5_000

/** The pass that is under way, for whoever has to wait for its end. */
export class PassUnderWay {
  /** It never rejects. */
  #pass: Promise<unknown> = Promise.resolve()

  /** A pass that is known here. */
  watched<Args extends readonly unknown[], Report>(reconcile: (...args: Args) => Promise<Report>): typeof reconcile {
    return (...args) => {
      const pass = reconcile(...args)
      this.#pass = pass.catch(() => {})
      return pass
    }
  }

  /** Resolves with true when it has ended, and then what it did not wait for; with false when that takes too long. */
  async ended(beside: () => Promise<void>): Promise<boolean> {
    const { promise: late, resolve } = Promise.withResolvers<false>()
    const timer = setTimeout(() => resolve(false), PATIENCE).unref()
    const ended = this.#pass.then(beside).then(() => true)
    try {
      return await Promise.race([ended, late])
    } finally {
      clearTimeout(timer)
    }
  }
}
