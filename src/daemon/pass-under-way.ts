import { setTimeout } from 'node:timers/promises'

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

  /** Resolves when it has ended, or has taken too long. */
  async ended(): Promise<void> {
    const patience = new AbortController()
    const late = setTimeout(PATIENCE, undefined, { signal: patience.signal, ref: false }).catch(() => {})
    await Promise.race([this.#pass, late])
    patience.abort()
  }
}
