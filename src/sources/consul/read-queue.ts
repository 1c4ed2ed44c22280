import { heardFault } from './follow.ts'
import type { Watch } from './watch.ts'

/** Milliseconds between two rounds at least, and how many times the last round's length: a busy catalog is asked a quarter of the time. */
const ROUND_GAP = 200
const ROUND_SHARE = 3

/** Milliseconds after which a service without a usable answer is asked again, at first and at most. */
const FIRST_RETRY = 200
const LONGEST_RETRY = 1_000

/**
 * Asks for many services a few at a time: first those that are known to have changed, then the round over all, those that
 * changed last first.
 */
export class ReadQueue {
  /** Questions at once. */
  readers = 1
  readonly #all: Iterable<Watch>
  /** To be read. */
  readonly #due = new Set<Watch>()
  /** Of the round: to be asked for the index, and read when it moved. */
  readonly #round = new Set<Watch>()
  /** Being asked; true when it must be asked once more because it changed meanwhile. */
  readonly #asking = new Map<Watch, { again: boolean; readonly ended: AbortController }>()
  readonly #later = new Map<Watch, NodeJS.Timeout>()
  /** Questions of the round under way; they leave half of the readers to what is known to have changed. */
  #probes = 0
  #roundBegan: number | undefined
  #nextRound = Number.NEGATIVE_INFINITY
  #roundTimer: NodeJS.Timeout | undefined
  #paused = false

  /** `all` are asked in a round, as they are when it begins. */
  constructor(all: Iterable<Watch>) {
    this.#all = all
  }

  /** These are asked before all others. */
  read(watches: readonly Watch[]): void {
    for (const watch of watches) {
      const asking = this.#asking.get(watch)
      if (asking === undefined) this.#due.add(watch)
      else asking.again = true
      this.#round.delete(watch)
    }
    this.#goOn()
  }

  /** A round over all; one that comes too soon after the last waits. */
  sweep(): void {
    const now = performance.now()
    clearTimeout(this.#roundTimer)
    if (this.#roundBegan !== undefined || now < this.#nextRound) {
      this.#roundTimer = setTimeout(() => this.sweep(), Math.max(ROUND_GAP, this.#nextRound - now))
      return
    }
    this.#roundBegan = now
    const recentFirst = [...this.#all].sort((a, b) => b.changedAt - a.changedAt)
    for (const watch of recentFirst) if (!this.#due.has(watch)) this.#round.add(watch)
    this.#goOn()
  }

  /** Nothing is asked while the agent is known to fail; what is under way may hang, and is asked once more afterwards. */
  pause(): void {
    this.#paused = true
    clearTimeout(this.#roundTimer)
    for (const [watch, { ended }] of this.#asking) {
      ended.abort()
      this.#due.add(watch)
    }
    this.#asking.clear()
    this.#round.clear()
    if (this.#roundBegan !== undefined) this.#endRound(this.#roundBegan)
  }

  resume(): void {
    this.#paused = false
    this.#goOn()
  }

  forget(watch: Watch): void {
    this.#due.delete(watch)
    this.#round.delete(watch)
    clearTimeout(this.#later.get(watch))
    this.#later.delete(watch)
    this.#asking.get(watch)?.ended.abort()
    this.#asking.delete(watch)
    this.#goOn()
  }

  close(): void {
    this.pause()
    for (const watch of [...this.#due, ...this.#later.keys(), ...this.#asking.keys()]) this.forget(watch)
  }

  #goOn(): void {
    while (!this.#paused && this.#asking.size < this.readers) {
      const [due] = this.#due
      const [next] = this.#round
      const watch = due ?? (this.#probes * 2 < this.readers ? next : undefined)
      if (watch === undefined) break
      this.#due.delete(watch)
      this.#round.delete(watch)
      void this.#ask(watch, due === undefined)
    }
    if (this.#roundBegan !== undefined && this.#round.size === 0) this.#endRound(this.#roundBegan)
  }

  #endRound(began: number): void {
    const now = performance.now()
    this.#nextRound = now + Math.max(ROUND_GAP, ROUND_SHARE * (now - began))
    this.#roundBegan = undefined
  }

  async #ask(watch: Watch, indexOnly: boolean): Promise<void> {
    const ended = new AbortController()
    const asking = { again: false, ended }
    this.#asking.set(watch, asking)
    clearTimeout(this.#later.get(watch))
    this.#later.delete(watch)
    const { signal } = ended
    if (indexOnly) this.#probes++
    try {
      const confirmed = indexOnly && watch.index > 0n ? await watch.reader.confirm(watch.index, signal) : undefined
      const reading = confirmed ?? (await watch.reader.ask(0n, signal))
      if (!signal.aborted) watch.hear({ kind: 'answer', reading })
    } catch (error) {
      if (!signal.aborted) watch.hear(heardFault(error))
    } finally {
      if (indexOnly) this.#probes--
    }
    if (signal.aborted) return
    this.#asking.delete(watch)
    if (asking.again) this.#due.add(watch)
    else if (watch.unsettled > 0) this.#askLater(watch)
    this.#goOn()
  }

  #askLater(watch: Watch): void {
    this.#later.set(
      watch,
      setTimeout(() => {
        this.#later.delete(watch)
        this.read([watch])
      }, retryDelay(watch.unsettled)),
    )
  }
}

function retryDelay(unsettled: number): number {
  const ceiling = Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** Math.min(unsettled - 1, 20))
  return Math.round(ceiling * (0.5 + Math.random() / 2))
}
