import { Observable, type OperatorFunction, type SchedulerLike, Subscription } from 'rxjs'
import type { ProbeResult } from '../model/probe-result.ts'
import { Agenda, type Pace } from './agenda.ts'
import { type Due, Earliest } from './earliest.ts'
import type { EndSignal, Probe } from './probe.ts'

/** Something that is asked again and again. Milliseconds; `timeout` is the most that one answer may take. */
export interface Check extends Pace {
  readonly probe: Probe
  readonly timeout: number
}

export interface CheckResult {
  readonly key: string
  readonly result: ProbeResult
  /** Milliseconds from the beginning of the probe to this. */
  readonly took: number
}

export interface ChecksOptions {
  /** How many probes may be under way at a time. */
  readonly limit: number
  readonly scheduler: SchedulerLike
  /** Told of each probe how many milliseconds after its moment it begins. */
  readonly onBegin?: (late: number) => void
  /** Keys of checks that are to be asked now, before their moments come. */
  readonly early$?: Observable<Iterable<string>>
}

/**
 * Runs the checks of the newest map: a key that stays is the same check, which keeps its moments while its probe and times
 * may change. Each result comes at its deadline at the latest, whatever the probe does. Checks that leave the map, and all
 * when it ends, are aborted and say nothing more.
 */
export function runChecks(options: ChecksOptions): OperatorFunction<ReadonlyMap<string, Check>, CheckResult> {
  return running(options, (checks: ReadonlyMap<string, Check>, running) => running.follow(checks))
}

/** What becomes different about the checks that run. */
export interface ChecksEdit {
  /** New ones, and those that have other probes or times than before. */
  readonly put: ReadonlyMap<string, Check>
  /** Keys of those that leave. */
  readonly gone: Iterable<string>
}

/** The same where it is known what becomes different: an edit costs nothing for the checks that stay as they are. */
export function runEditedChecks(options: ChecksOptions): OperatorFunction<ChecksEdit, CheckResult> {
  return running(options, (edit: ChecksEdit, running) => running.edit(edit))
}

function running<Input>(
  options: ChecksOptions,
  take: (input: Input, running: RunningChecks) => void,
): OperatorFunction<Input, CheckResult> {
  return (input$) =>
    new Observable((subscriber) => {
      const running = new RunningChecks(options, (result) => subscriber.next(result))
      subscriber.add(() => running.end())
      subscriber.add(options.early$?.subscribe((keys) => running.hasten(keys)))
      subscriber.add(
        input$.subscribe({
          next: (input) => take(input, running),
          error: (error) => subscriber.error(error),
          complete: () => subscriber.complete(),
        }),
      )
    })
}

const NEVER = Number.POSITIVE_INFINITY
/** Milliseconds between two looks at what is due: each costs as much as a probe, so those that are close together begin together. */
const GRAIN = 10
/** Deadlines of probes that are over, which are cleared away all at once. */
const MOST_LEFT_OVER = 64

/** A check that runs, and its probe while that is under way. */
interface Running {
  readonly key: string
  check: Check
  asking: Asking | undefined
}

/** A probe under way. */
class Asking implements Due, EndSignal {
  readonly of: Running
  readonly timeout: number
  readonly begun: number
  /** Its deadline. */
  readonly at: number
  /** Whether nobody waits for it any more. */
  over = false
  aborted = false
  #listeners: readonly (() => void)[] = []

  constructor(of: Running, timeout: number, begun: number) {
    this.of = of
    this.timeout = timeout
    this.begun = begun
    this.at = begun + timeout
  }

  ask(probe: Probe): Promise<ProbeResult> {
    return Promise.resolve<EndSignal>(this).then(probe)
  }

  /** Each is called once. */
  addEventListener(_: 'abort', listener: () => void): void {
    this.#listeners = [...this.#listeners, listener]
  }

  removeEventListener(_: 'abort', listener: () => void): void {
    this.#listeners = this.#listeners.filter((other) => other !== listener)
  }

  abort(): void {
    if (this.aborted) return
    this.aborted = true
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener()
  }
}

/** All of them share one timer for whatever comes next: thousands a second would pay for theirs with time. */
class RunningChecks {
  readonly #agenda: Agenda
  readonly #scheduler: SchedulerLike
  readonly #onBegin: ChecksOptions['onBegin']
  readonly #tell: (result: CheckResult) => void
  /**
   * Where each has its probe: what comes and goes thousands of times a second must be in no Map. Whenever one grows, the table that it leaves
   * behind keeps what was in it and the table after it, and so on, from one collection of garbage to the next.
   */
  readonly #checks = new Map<string, Running>()
  #underWay = 0
  /** Those under way, and such as are over since. */
  readonly #deadlines = new Earliest<Asking>()
  #timer: Subscription | undefined
  #timerAt = NEVER
  #lookedAt = -NEVER
  /** Probes that came to their deadline. */
  readonly #overdue = new Subscription()

  constructor({ limit, scheduler, onBegin }: ChecksOptions, tell: (result: CheckResult) => void) {
    this.#agenda = new Agenda(limit)
    this.#scheduler = scheduler
    this.#onBegin = onBegin
    this.#tell = tell
  }

  follow(checks: ReadonlyMap<string, Check>): void {
    this.edit({ put: checks, gone: [...this.#checks.keys()].filter((key) => !checks.has(key)) })
  }

  edit({ put, gone }: ChecksEdit): void {
    for (const key of gone) {
      const asking = this.#checks.get(key)?.asking
      this.#checks.delete(key)
      if (asking === undefined) continue
      this.#forget(asking)
      asking.abort()
    }
    for (const [key, check] of put) {
      const known = this.#checks.get(key)
      if (known === undefined) this.#checks.set(key, { key, check, asking: undefined })
      else known.check = check
    }
    this.#agenda.edit(put, gone, this.#scheduler.now())
    this.#advance()
  }

  hasten(keys: Iterable<string>): void {
    this.#agenda.hasten(keys, this.#scheduler.now())
    this.#advance()
  }

  end(): void {
    this.follow(new Map())
    this.#overdue.unsubscribe()
  }

  #advance(): void {
    const now = this.#scheduler.now()
    for (const key of this.#agenda.begin(now, this.#onBegin)) {
      const running = this.#checks.get(key)
      if (running !== undefined) this.#ask(running, now)
    }
    this.#wakeUp(now)
  }

  /** At the next moment or deadline; a timer that comes too early stays. */
  #wakeUp(now: number): void {
    while (this.#deadlines.top?.over === true) this.#deadlines.take()
    if (this.#deadlines.size > 2 * this.#underWay + MOST_LEFT_OVER) this.#deadlines.keep(({ over }) => !over)
    const due = Math.min(this.#agenda.nextAt ?? NEVER, this.#deadlines.top?.at ?? NEVER)
    const at = Math.max(due, this.#lookedAt + GRAIN)
    if (at !== NEVER && this.#timerAt <= at) return
    this.#timer?.unsubscribe()
    this.#timerAt = at
    this.#timer = at === NEVER ? undefined : this.#scheduler.schedule(() => this.#awake(), Math.max(0, at - now))
  }

  #awake(): void {
    this.#timerAt = NEVER
    const now = this.#scheduler.now()
    this.#lookedAt = now
    for (let next = this.#deadlines.top; next !== undefined && (next.over || next.at <= now); next = this.#deadlines.top) {
      this.#deadlines.take()
      if (!next.over) this.#expire(next)
    }
    this.#advance()
  }

  #ask(running: Running, now: number): void {
    const { probe, timeout } = running.check
    const asking = new Asking(running, timeout, now)
    running.asking = asking
    this.#underWay += 1
    this.#deadlines.add(asking)
    asking.ask(probe).then(
      (result) => this.#settle(asking, result),
      (error: unknown) => this.#settle(asking, broken(error)),
    )
  }

  #settle(asking: Asking, result: ProbeResult): void {
    if (asking.over) return
    const waiting = this.#agenda.isFull
    this.#forget(asking)
    const { of, begun } = asking
    const { key } = of
    const now = this.#scheduler.now()
    // Whoever hears of it may set another pace by it.
    this.#tell({ key, result, took: now - begun })
    this.#agenda.ended(key, now)
    if (waiting) this.#advance()
    else this.#wakeUp(now)
  }

  #forget(asking: Asking): void {
    asking.over = true
    asking.of.asking = undefined
    this.#underWay -= 1
  }

  #expire(asking: Asking): void {
    // An answer that came in time is still to be read when this process itself was too busy.
    this.#soon(() => {
      if (asking.over) return
      asking.abort()
      // The probe's own word of it comes first; one that says nothing is not waited for.
      this.#soon(() => this.#settle(asking, overdue(asking.timeout)))
    })
  }

  #soon(work: () => void): void {
    const timer = this.#scheduler.schedule(() => {
      this.#overdue.remove(timer)
      work()
    })
    this.#overdue.add(timer)
  }
}

function overdue(timeout: number): ProbeResult {
  return { outcome: 'failed', failure: 'timed-out', message: `there is no answer after ${timeout} ms` }
}

function broken(error: unknown): ProbeResult {
  const message = error instanceof Error ? error.message : String(error)
  return { outcome: 'unknown', message: `the probe failed by a fault of its own (${message}); report it` }
}
