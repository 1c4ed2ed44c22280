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
  readonly #queue = new Earliest<{ readonly key: string; readonly at: number }>()
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
      this.#entries.set(key, { pace, phase: known?.phase ?? (this.#entered++ * SPREAD) % 1 })
      if (known === undefined) this.#queue.add({ key, at: now })
    }
  }

  /** The checks that begin now. `onBegin` is told of each how much later that is than its moment. */
  begin(now: number, onBegin: (late: number) => void = () => {}): string[] {
    const begun: string[] = []
    while (!this.isFull) {
      const next = this.#queue.top
      if (next === undefined || next.at > now) break
      this.#queue.take()
      this.#running.set(next.key, now)
      onBegin(now - next.at)
      begun.push(next.key)
    }
    return begun
  }

  /** A check that has begun is over. */
  ended(key: string, now: number): void {
    const entry = this.#entries.get(key)
    const begun = this.#running.get(key)
    if (entry === undefined || begun === undefined) return
    this.#running.delete(key)
    const { interval, jitter = 0 } = entry.pace
    const moment = nextMoment(entry.phase, interval, begun, now)
    this.#queue.add({ key, at: moment + (this.#random() * jitter * interval) / 100 })
  }

  /** Whether as many run as may. */
  get isFull(): boolean {
    return this.#running.size >= this.#limit
  }

  /** When something is to begin; undefined while nothing can. */
  get nextAt(): number | undefined {
    return this.isFull ? undefined : this.#queue.top?.at
  }
}

/** The first of its moments that is still to come and at least half an interval after it was last begun. */
function nextMoment(phase: number, interval: number, begun: number, now: number): number {
  const offset = phase * interval
  const round = Math.ceil((begun + interval / 2 - offset) / interval)
  const missed = Math.floor((now - offset) / interval) + 1
  return Math.max(round, missed) * interval + offset
}
