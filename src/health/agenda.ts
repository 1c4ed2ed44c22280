import { type Due, Earliest } from './earliest.ts'

/** How often something is asked. */
export interface Pace {
  /** Milliseconds, above 0. Read anew after each time: it may depend on what was found. */
  readonly interval: number
  /** Percent of the interval by which each moment is later at random, 0–50; absent is 0. */
  readonly jitter?: number
  /** It was found not to answer, and may take as long as one that does not. Read anew after each time; absent: not. */
  readonly isDown?: boolean
}

/** One check. */
interface Entry {
  readonly key: string
  pace: Pace
  /** 0–1: where in its interval it is asked, from the second time on. */
  readonly phase: number
  /** How often it was begun. */
  turn: number
  /** It is to begin once more as soon as it is over. */
  again: boolean
  /** Since when it runs. */
  begun: number | undefined
  /** Whether it counts among those that are down, from the end of one time to that of the next. */
  isDown: boolean
  gone: boolean
}

interface Moment extends Due {
  readonly of: Entry
  /** Of its check; when that was begun in the meantime, this moment is nobody's. */
  readonly turn: number
}

/** The golden ratio: its multiples, without their whole parts, lie evenly in 0–1 however many there are. */
const SPREAD = 0.6180339887498949

/** The share of `limit` that those may use that are down. */
const DOWN_SHARE = 0.5

/** Moments that are nobody's, which are cleared away all at once. */
const MOST_LEFT_OVER = 64

/**
 * When each of many checks is to be asked; a data structure that has no clock and asks nobody. A new one is due at once.
 * From then on each has its own moment in the interval, so that those that began together are spread over it. Never more
 * than `limit` run at a time, the one that waits longest is next, none runs twice at once, and moments that a slow one has
 * missed are skipped. Those that are down use half of `limit` at most, so that nobody else waits for the long timeouts of thousands of dead
 * ones. Times are milliseconds of any clock that does not run backwards.
 */
export class Agenda {
  readonly #limit: number
  readonly #mostDown: number
  readonly #random: () => number
  readonly #entries = new Map<string, Entry>()
  readonly #queue = new Earliest<Moment>()
  readonly #downQueue = new Earliest<Moment>()
  #running = 0
  #runningDown = 0
  #entered = 0

  /** `random` gives numbers from 0 to 1. */
  constructor(limit: number, random: () => number = Math.random) {
    this.#limit = limit
    this.#mostDown = Math.max(1, Math.floor(limit * DOWN_SHARE))
    this.#random = random
  }

  /** From now on these are the checks. Those that stay keep their moments; those that leave count as ended. */
  follow(checks: ReadonlyMap<string, Pace>, now: number): void {
    this.edit(
      checks,
      [...this.#entries.keys()].filter((key) => !checks.has(key)),
      now,
    )
  }

  /** The same of some checks alone: these are new or paced otherwise, those leave. All others stay as they are. */
  edit(checks: ReadonlyMap<string, Pace>, gone: Iterable<string>, now: number): void {
    for (const key of gone) this.#forget(key)
    for (const [key, pace] of checks) {
      const known = this.#entries.get(key)
      if (known !== undefined) known.pace = pace
      else this.#enter(key, pace, now)
    }
    for (const queue of [this.#queue, this.#downQueue])
      if (queue.size > 2 * this.#entries.size + MOST_LEFT_OVER) queue.keep(isMeant)
  }

  /** The checks that begin now. `onBegin` is told of each, and how much later that is than its moment. */
  begin(now: number, onBegin: (late: number, key: string) => void = () => {}): string[] {
    const begun: string[] = []
    for (;;) {
      const queue = this.#next
      const next = queue?.top
      if (queue === undefined || next === undefined || next.at > now) return begun
      queue.take()
      const { of: entry } = next
      entry.turn++
      entry.begun = now
      this.#running++
      if (entry.isDown) this.#runningDown++
      onBegin(now - next.at, entry.key)
      begun.push(entry.key)
    }
  }

  /** These are due now, whatever their moments are; one that is running is once more when it is over. */
  hasten(keys: Iterable<string>, now: number): void {
    for (const key of keys) {
      const entry = this.#entries.get(key)
      if (entry === undefined) continue
      if (entry.begun === undefined) this.#plan(entry, now)
      else entry.again = true
    }
  }

  /** A check that has begun is over. */
  ended(key: string, now: number): void {
    const entry = this.#entries.get(key)
    const begun = entry?.begun
    if (entry === undefined || begun === undefined) return
    this.#stop(entry)
    const { again, pace } = entry
    entry.again = false
    entry.isDown = pace.isDown === true
    this.#plan(entry, again ? now : this.#momentOf(entry, begun, now))
  }

  /** Whether as many run as may, of all or of those that are down. */
  get isFull(): boolean {
    return this.#running >= this.#limit || this.#runningDown >= this.#mostDown
  }

  /** When something is to begin; undefined while nothing can. */
  get nextAt(): number | undefined {
    return this.#next?.top?.at
  }

  /** Where the one is that is to begin first of those that may. */
  get #next(): Earliest<Moment> | undefined {
    if (this.#running >= this.#limit) return undefined
    const [living, down] = [topOf(this.#queue), topOf(this.#downQueue)]
    if (down === undefined || this.#runningDown >= this.#mostDown) return this.#queue
    return living === undefined || down.at < living.at ? this.#downQueue : this.#queue
  }

  #enter(key: string, pace: Pace, now: number): void {
    const phase = (this.#entered++ * SPREAD) % 1
    const entry = { key, pace, phase, turn: 0, again: false, begun: undefined, isDown: false, gone: false }
    this.#entries.set(key, entry)
    this.#plan(entry, now)
  }

  #plan(of: Entry, at: number): void {
    const queue = of.isDown ? this.#downQueue : this.#queue
    queue.add({ of, at, turn: of.turn })
  }

  #forget(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    entry.gone = true
    if (entry.begun !== undefined) this.#stop(entry)
  }

  #stop(entry: Entry): void {
    entry.begun = undefined
    this.#running--
    if (entry.isDown) this.#runningDown--
  }

  #momentOf({ phase, pace: { interval, jitter = 0 } }: Entry, begun: number, now: number): number {
    return nextMoment(phase, interval, begun, now) + (this.#random() * jitter * interval) / 100
  }
}

function isMeant({ of, turn }: Moment): boolean {
  return !of.gone && of.turn === turn
}

/** The earliest that is somebody's. */
function topOf(queue: Earliest<Moment>): Moment | undefined {
  while (queue.top !== undefined && !isMeant(queue.top)) queue.take()
  return queue.top
}

/** The first of its moments that is still to come and at least half an interval after it was last begun. */
function nextMoment(phase: number, interval: number, begun: number, now: number): number {
  const offset = phase * interval
  const round = Math.ceil((begun + interval / 2 - offset) / interval)
  const missed = Math.floor((now - offset) / interval) + 1
  return Math.max(round, missed) * interval + offset
}
