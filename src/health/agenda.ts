import { Earliest } from './earliest.ts'

/** How often something is asked. */
export interface Pace {
  /** Milliseconds, above 0. Read anew after each time: it may depend on what was found. */
  readonly interval: number
  /** Percent of the interval by which each moment is later at random, 0–50; absent is 0. */
  readonly jitter?: number
}

interface Entry {
  readonly pace: Pace
  /** 0–1: where in its interval it is asked, from the second time on. */
  readonly phase: number
  /** How often it was begun. */
  turn: number
  /** It is to begin once more as soon as it is over. */
  again: boolean
}

interface Moment {
  readonly key: string
  readonly at: number
  /** Of its check; when that was begun in the meantime, this moment is nobody's. */
  readonly turn: number
}

/** The golden ratio: its multiples, without their whole parts, lie evenly in 0–1 however many there are. */
const SPREAD = 0.6180339887498949

/**
 * When each of many checks is to be asked; a data structure that has no clock and asks nobody. A new one is due at once.
 * From then on each has its own moment in the interval, so that those that began together are spread over it. Never more
 * than `limit` run at a time, the one that waits longest is next, none runs twice at once, and moments that a slow one has
 * missed are skipped. Times are milliseconds of any clock that does not run backwards.
 */
export class Agenda {
  readonly #limit: number
  readonly #random: () => number
  readonly #entries = new Map<string, Entry>()
  readonly #queue = new Earliest<Moment>()
  /** Running checks and when each began. */
  readonly #running = new Map<string, number>()
  #entered = 0

  /** `random` gives numbers from 0 to 1. */
  constructor(limit: number, random: () => number = Math.random) {
    this.#limit = limit
    this.#random = random
  }

  /** From now on these are the checks. Those that stay keep their moments; those that leave count as ended. */
  follow(checks: ReadonlyMap<string, Pace>, now: number): void {
    const left = [...this.#entries.keys()].filter((key) => !checks.has(key))
    for (const key of left) {
      this.#entries.delete(key)
      this.#running.delete(key)
    }
    if (left.length > 0) this.#queue.keep(({ key }) => this.#entries.has(key))
    for (const [key, pace] of checks) {
      const known = this.#entries.get(key)
      const { phase = (this.#entered++ * SPREAD) % 1, turn = 0, again = false } = known ?? {}
      this.#entries.set(key, { pace, phase, turn, again })
      if (known === undefined) this.#queue.add({ key, at: now, turn })
    }
  }

  /** The checks that begin now. `onBegin` is told of each how much later that is than its moment. */
  begin(now: number, onBegin: (late: number) => void = () => {}): string[] {
    const begun: string[] = []
    while (!this.isFull) {
      const next = this.#queue.top
      if (next === undefined || next.at > now) break
      this.#queue.take()
      const entry = this.#entries.get(next.key)
      if (entry?.turn !== next.turn) continue
      entry.turn++
      this.#running.set(next.key, now)
      onBegin(now - next.at)
      begun.push(next.key)
    }
    return begun
  }

  /** These are due now, whatever their moments are; one that is running is once more when it is over. */
  hasten(keys: Iterable<string>, now: number): void {
    for (const key of keys) {
      const entry = this.#entries.get(key)
      if (entry === undefined) continue
      if (this.#running.has(key)) entry.again = true
      else this.#queue.add({ key, at: now, turn: entry.turn })
    }
  }

  /** A check that has begun is over. */
  ended(key: string, now: number): void {
    const entry = this.#entries.get(key)
    const begun = this.#running.get(key)
    if (entry === undefined || begun === undefined) return
    this.#running.delete(key)
    const { turn, again } = entry
    entry.again = false
    this.#queue.add({ key, at: again ? now : this.#momentOf(entry, begun, now), turn })
  }

  /** Whether as many run as may. */
  get isFull(): boolean {
    return this.#running.size >= this.#limit
  }

  /** When something is to begin; undefined while nothing can. */
  get nextAt(): number | undefined {
    return this.isFull ? undefined : this.#queue.top?.at
  }

  #momentOf({ phase, pace: { interval, jitter = 0 } }: Entry, begun: number, now: number): number {
    return nextMoment(phase, interval, begun, now) + (this.#random() * jitter * interval) / 100
  }
}

/** The first of its moments that is still to come and at least half an interval after it was last begun. */
function nextMoment(phase: number, interval: number, begun: number, now: number): number {
  const offset = phase * interval
  const round = Math.ceil((begun + interval / 2 - offset) / interval)
  const missed = Math.floor((now - offset) / interval) + 1
  return Math.max(round, missed) * interval + offset
}
