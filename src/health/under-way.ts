import { type SchedulerLike, Subscription, type Unsubscribable } from 'rxjs'
import type { ProbeResult } from '../model/probe-result.ts'
import { type Due, Earliest } from './earliest.ts'
import type { EndSignal, Errand, Probe } from './probe.ts'

const NEVER = Number.POSITIVE_INFINITY
/** Deadlines of probes that are over, which are cleared away all at once. */
const MOST_LEFT_OVER = 64

const NONE: readonly (() => void)[] = []

/** A probe under way. Times are milliseconds. */
export class Asking<Of> implements Due, EndSignal, Errand {
  readonly of: Of
  readonly timeout: number
  readonly begun: number
  /** Its deadline. */
  readonly at: number
  /** Whether nobody waits for it any more. */
  over = false
  aborted = false
  /** Somebody else keeps its deadline. */
  isElsewhere = false
  /** From `begun` to the moment at which it was asked. */
  waited = 0
  /** What the answer took, where somebody else measured that. */
  took: number | undefined
  readonly #clock: SchedulerLike
  #listeners: readonly (() => void)[] = NONE

  constructor(of: Of, timeout: number, begun: number, clock: SchedulerLike) {
    this.of = of
    this.timeout = timeout
    this.begun = begun
    this.at = begun + timeout
    this.#clock = clock
  }

  ask(probe: Probe): Promise<ProbeResult> {
    try {
      return probe(this)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Each is called once. */
  addEventListener(_: 'abort', listener: () => void): void {
    this.#listeners = [...this.#listeners, listener]
  }

  removeEventListener(_: 'abort', listener: () => void): void {
    const left = this.#listeners.filter((other) => other !== listener)
    this.#listeners = left.length === 0 ? NONE : left
  }

  handOver(): Errand {
    this.isElsewhere = true
    return this
  }

  get left(): number {
    return Math.max(0, this.at - this.#clock.now())
  }

  asked(waited: number, took: number): void {
    this.waited = waited
    this.took = took
  }

  abort(): void {
    if (this.aborted) return
    this.aborted = true
    const listeners = this.#listeners
    this.#listeners = NONE
    for (const listener of listeners) listener()
  }
}

export interface UnderWayOptions<Of> {
  readonly scheduler: SchedulerLike
  /** Does it once what has come by now is read; absent: by a timer that is due at once. */
  readonly soon?: (work: () => void) => Unsubscribable
  /** Told of each probe that has ended, at its deadline at the latest. */
  readonly onEnd: (asking: Asking<Of>, result: ProbeResult) => void
}

/** Probes under way and their deadlines. Whoever has it looks at `nextAt` and calls `expire`. */
export class UnderWay<Of> {
  readonly #scheduler: SchedulerLike
  readonly #schedule: (work: () => void) => Unsubscribable
  readonly #onEnd: UnderWayOptions<Of>['onEnd']
  #size = 0
  /** Those under way, and such as are over since. */
  readonly #deadlines = new Earliest<Asking<Of>>()
  /** Probes that came to their deadline. */
  readonly #overdue = new Subscription()

  constructor({ scheduler, soon = (work) => scheduler.schedule(work), onEnd }: UnderWayOptions<Of>) {
    this.#scheduler = scheduler
    this.#schedule = soon
    this.#onEnd = onEnd
  }

  ask(of: Of, probe: Probe, timeout: number, now: number): Asking<Of> {
    const asking = new Asking(of, timeout, now, this.#scheduler)
    this.#size += 1
    this.#deadlines.add(asking)
    asking.ask(probe).then(
      (result) => this.#end(asking, result),
      (error: unknown) => this.#end(asking, broken(error)),
    )
    return asking
  }

  /** Nobody wants its answer any more. */
  abandon(asking: Asking<Of>): void {
    this.#forget(asking)
    asking.abort()
  }

  /** The earliest deadline that is kept here. */
  get nextAt(): number {
    const deadlines = this.#deadlines
    while (deadlines.top !== undefined && !isKept(deadlines.top)) deadlines.take()
    if (deadlines.size > 2 * this.#size + MOST_LEFT_OVER) deadlines.keep(isKept)
    return deadlines.top?.at ?? NEVER
  }

  /** The deadlines up to now have come. */
  expire(now: number): void {
    for (let next = this.#deadlines.top; next !== undefined && (!isKept(next) || next.at <= now); next = this.#deadlines.top) {
      this.#deadlines.take()
      if (isKept(next)) this.endNow(next)
    }
  }

  /** As though its deadline had come. */
  endNow(asking: Asking<Of>): void {
    // An answer that came in time is still to be read when this thread itself was too busy.
    this.#soon(() => {
      if (!isKept(asking)) return
      asking.abort()
      // The probe's own word of it comes first; one that says nothing is not waited for.
      this.#soon(() => this.#end(asking, overdue(asking.timeout)))
    })
  }

  /** Says nothing more of what came to its deadline. */
  stop(): void {
    this.#overdue.unsubscribe()
  }

  #end(asking: Asking<Of>, result: ProbeResult): void {
    if (asking.over) return
    this.#forget(asking)
    this.#onEnd(asking, result)
  }

  #forget(asking: Asking<Of>): void {
    asking.over = true
    this.#size -= 1
  }

  #soon(work: () => void): void {
    const timer = new Subscription()
    this.#overdue.add(timer)
    timer.add(
      this.#schedule(() => {
        this.#overdue.remove(timer)
        work()
      }),
    )
  }
}

function isKept({ over, isElsewhere }: Asking<unknown>): boolean {
  return !over && !isElsewhere
}

function overdue(timeout: number): ProbeResult {
  return { outcome: 'failed', failure: 'timed-out', message: `there is no answer after ${timeout} ms` }
}

function broken(error: unknown): ProbeResult {
  const message = error instanceof Error ? error.message : String(error)
  return { outcome: 'unknown', message: `the probe failed by a fault of its own (${message}); report it` }
}
