import { Observable, type OperatorFunction, type SchedulerLike } from 'rxjs'
import type { ProbeResult } from '../model/probe-result.ts'
import { Agenda, type Pace } from './agenda.ts'
import { NextLook } from './next-look.ts'
import type { Probe } from './probe.ts'
import { type Asking, UnderWay } from './under-way.ts'

/** Something that is asked again and again. Milliseconds; `timeout` is the most that one answer may take. */
export interface Check extends Pace {
  readonly probe: Probe
  readonly timeout: number
}

export interface CheckResult {
  readonly key: string
  readonly result: ProbeResult
  /** Milliseconds from the moment at which the backend was asked to its answer. */
  readonly took: number
}

export interface ChecksOptions {
  /** How many probes may be under way at a time. */
  readonly limit: number
  readonly scheduler: SchedulerLike
  /** Told of each probe that has ended how many milliseconds after its moment it began. */
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

/** A check that runs, and its probe while that is under way. */
interface Running {
  readonly key: string
  check: Check
  asking: Asking<Running> | undefined
  /** Milliseconds by which its last probe was begun after its moment. */
  late: number
}

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
  readonly #underWay: UnderWay<Running>
  readonly #look: NextLook

  constructor({ limit, scheduler, onBegin }: ChecksOptions, tell: (result: CheckResult) => void) {
    this.#agenda = new Agenda(limit)
    this.#scheduler = scheduler
    this.#onBegin = onBegin
    this.#tell = tell
    this.#underWay = new UnderWay({ scheduler, onEnd: (asking, result) => this.#heard(asking, result) })
    this.#look = new NextLook(scheduler, (now) => {
      this.#underWay.expire(now)
      this.#advance()
    })
  }

  follow(checks: ReadonlyMap<string, Check>): void {
    this.edit({ put: checks, gone: [...this.#checks.keys()].filter((key) => !checks.has(key)) })
  }

  edit({ put, gone }: ChecksEdit): void {
    for (const key of gone) {
      const asking = this.#checks.get(key)?.asking
      this.#checks.delete(key)
      if (asking !== undefined) this.#underWay.abandon(asking)
    }
    for (const [key, check] of put) {
      const known = this.#checks.get(key)
      if (known === undefined) this.#checks.set(key, { key, check, asking: undefined, late: 0 })
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
    this.#underWay.stop()
  }

  #advance(): void {
    const now = this.#scheduler.now()
    this.#agenda.begin(now, (late, key) => {
      const running = this.#checks.get(key)
      if (running !== undefined) this.#ask(running, late, now)
    })
    this.#wakeUp(now)
  }

  /** At the next moment or deadline. */
  #wakeUp(now: number): void {
    this.#look.plan(Math.min(this.#agenda.nextAt ?? NEVER, this.#underWay.nextAt), now)
  }

  #ask(running: Running, late: number, now: number): void {
    const { probe, timeout } = running.check
    running.late = late
    running.asking = this.#underWay.ask(running, probe, timeout, now)
  }

  #heard({ of: running, begun, waited, took }: Asking<Running>, result: ProbeResult): void {
    const waiting = this.#agenda.isFull
    const { key, late } = running
    running.asking = undefined
    const now = this.#scheduler.now()
    this.#onBegin?.(late + waited)
    // Whoever hears of it may set another pace by it.
    this.#tell({ key, result, took: took ?? now - begun })
    this.#agenda.ended(key, now)
    if (waiting) this.#advance()
    else this.#wakeUp(now)
  }
}
