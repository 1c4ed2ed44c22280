import {
  concat,
  defer,
  EMPTY,
  map,
  merge,
  NEVER,
  Observable,
  type OperatorFunction,
  of,
  retry,
  type SchedulerLike,
  Subject,
  Subscription,
  timer,
} from 'rxjs'
import type { OperatorWords } from '../model/admin-state.ts'
import type { BackendSet } from '../model/backend.ts'
import type { DesiredState } from '../model/desired-state.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { SourceEvent, SourceFailure } from '../model/source-event.ts'
import { type SourceSpec, sourceName } from '../model/source-spec.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import { scheduleAfter, steadyScheduler } from '../steady-scheduler.ts'
import {
  conflateStep,
  NO_PASS_YET,
  type PassEvent,
  type PassOrder,
  type PassScope,
  type PassStart,
  type PassTimes,
  type SinkWake,
} from './conflate.ts'
import type { KernelKnown } from './deciding/kernel-known.ts'
import type {
  DesiredUpdate,
  GuardChange,
  LastGoodChange,
  OperationalNews,
  Past,
  ProbeVerdict,
  SourceChange,
  WantedServices,
} from './desired-update.ts'
import { NO_PIPELINE, type OpenSlot, type PipelineEvent, pipelineStep } from './pipeline.ts'
import { knownBefore } from './slot.ts'
import { type Step, WAKE, type Wake } from './step.ts'
import { type PipelineTurn, witnessed } from './witness.ts'

/** Opens a source, of which `known` are the members from before; what it returns is subscribed once and unsubscribed when the configuration no longer names it. */
export type OpenSource = (spec: SourceSpec, service: ServiceSpec, known: BackendSet['backends']) => Observable<SourceEvent>

export interface DesiredStateOptions {
  /** Told of every change of a source, also of those that leave the desired state as it is. */
  readonly onSource?: (change: SourceChange) => void
  /** Told of every removal that the guard begins to hold, and of the end of each. */
  readonly onGuard?: (change: GuardChange) => void
  /** Services whose held removals the operator lets go. */
  readonly approve$?: Observable<ServiceKey>
  /** What probes of members whose removal is held find. */
  readonly probed$?: Observable<ProbeVerdict>
  /** What our probes know of the members of each service. */
  readonly operational$?: Observable<OperationalNews>
  /** The operator's word of every backend. */
  readonly operator$?: Observable<OperatorWords>
  /** What is known of the kernel; what it says at once comes before the first configuration. */
  readonly kernel$?: Observable<KernelKnown>
  /** Told what the next process should know. */
  readonly onLastGood?: (change: LastGoodChange) => void
  /** Told of every event and wake in their order, with their times: enough to live through it all again. */
  readonly onTurn?: (turn: PipelineTurn) => void
  /** What an earlier process knew; nothing by default. */
  readonly past?: Past
  /** Every time stamp is this scheduler's; by default a clock that starts at the wall clock's time and never jumps. */
  readonly scheduler?: SchedulerLike
}

/**
 * Runs a step: state, timer and order. Events that come while one is being worked on wait for their turn. Completes with
 * its input.
 */
export function runStep<State, Event, Output>(
  step: Step<State, Event, Output>,
  initial: State,
  scheduler: SchedulerLike,
): OperatorFunction<Event, Output> {
  return (events$) =>
    new Observable((subscriber) => {
      let state = initial
      let last = Number.NEGATIVE_INFINITY
      let timer: Subscription | undefined
      let working = false
      const queue: { readonly event: Event | Wake; readonly floor: number }[] = []
      const work = (event: Event | Wake, floor: number) => {
        last = Math.max(last, floor, scheduler.now())
        const result = step(state, event, last)
        state = result.state
        timer?.unsubscribe()
        const { wakeAt } = result
        if (wakeAt !== undefined) timer = scheduleAfter(scheduler, wakeAt - last, () => accept(WAKE, wakeAt))
        if (result.emit !== undefined) subscriber.next(result.emit)
      }
      const accept = (event: Event | Wake, floor = last) => {
        queue.push({ event, floor })
        if (working) return
        working = true
        for (let next = queue.shift(); next !== undefined && !subscriber.closed; next = queue.shift())
          work(next.event, next.floor)
        working = false
      }
      subscriber.add(() => timer?.unsubscribe())
      subscriber.add(
        events$.subscribe({
          next: (event) => accept(event),
          error: (error) => subscriber.error(error),
          complete: () => subscriber.complete(),
        }),
      )
    })
}

/**
 * From configurations to desired states. A service lives by its key: what a new configuration does not change keeps its
 * sources and their answers. A service that left the configuration is absent from the next state. When `wanted$` completes,
 * the last configuration stays in force: this never completes by itself.
 */
export function desiredState(
  wanted$: Observable<WantedServices>,
  openSource: OpenSource,
  options: DesiredStateOptions = {},
): Observable<DesiredUpdate> {
  const { onSource, onGuard, onLastGood, onTurn, past, scheduler = steadyScheduler } = options
  const step = onTurn === undefined ? pipelineStep : witnessed(pipelineStep, onTurn)
  const { approve$ = NEVER, probed$ = NEVER, operational$ = NEVER, operator$ = NEVER, kernel$ = NEVER } = options
  return new Observable((subscriber) => {
    const said$ = new Subject<PipelineEvent>()
    const sources = new OpenSources(openSource, (event) => said$.next(event), scheduler)
    subscriber.add(() => sources.close())
    // Sources first: one that speaks while it is being opened must not speak to nobody. What a service begins with comes before it.
    const events$ = merge(
      said$,
      kernel$.pipe(map((known): PipelineEvent => ({ kind: 'kernel', known }))),
      operator$.pipe(map((words): PipelineEvent => ({ kind: 'operator', words }))),
      wanted$.pipe(map((wanted): PipelineEvent => ({ kind: 'wanted', wanted, ...(past !== undefined && { past }) }))),
      approve$.pipe(map((service): PipelineEvent => ({ kind: 'approved', service }))),
      probed$.pipe(map((verdict): PipelineEvent => ({ kind: 'probed', ...verdict }))),
      operational$.pipe(map((news): PipelineEvent => ({ kind: 'operational', ...news }))),
    )
    subscriber.add(
      events$.pipe(runStep(step, NO_PIPELINE, scheduler)).subscribe({
        next: ({ open, sources: changes, guards, lastGood, update }) => {
          for (const change of changes) onSource?.(change)
          for (const change of guards) onGuard?.(change)
          for (const change of lastGood) onLastGood?.(change)
          if (update !== undefined) subscriber.next(update)
          if (open !== undefined) sources.follow(open)
        },
        error: (error) => subscriber.error(error),
      }),
    )
  })
}

/** Milliseconds after which a source that broke its promise never to fail is opened again. */
const REOPENING = 30_000

/** The subscriptions to sources, kept equal to what the configuration names. */
class OpenSources {
  readonly #openSource: OpenSource
  readonly #said: (event: PipelineEvent) => void
  readonly #scheduler: SchedulerLike
  readonly #subscriptions = new Map<number, Subscription>()

  constructor(openSource: OpenSource, said: (event: PipelineEvent) => void, scheduler: SchedulerLike) {
    this.#openSource = openSource
    this.#said = said
    this.#scheduler = scheduler
  }

  follow(open: readonly OpenSlot[]): void {
    const numbers = new Set(open.map(({ slot }) => slot.number))
    for (const [number, subscription] of this.#subscriptions) {
      if (numbers.has(number)) continue
      this.#subscriptions.delete(number)
      subscription.unsubscribe()
    }
    for (const { slot, key, spec } of open) {
      if (this.#subscriptions.has(slot.number)) continue
      const said = (event: SourceEvent) => this.#said({ kind: 'said', service: key, slot: slot.number, event })
      const broken = (error: unknown) => {
        said({ kind: 'pending', failure: brokenSource(slot.spec, error, this.#scheduler.now()) })
        return timer(REOPENING, this.#scheduler)
      }
      const subscription = new Subscription()
      this.#subscriptions.set(slot.number, subscription)
      const words$ = defer(() => this.#openSource(slot.spec, spec, knownBefore(slot))).pipe(retry({ delay: broken }))
      subscription.add(words$.subscribe(said))
    }
  }

  close(): void {
    this.follow([])
  }
}

/** A source that breaks its promise never to fail is an outage like any other. */
function brokenSource(spec: SourceSpec, error: unknown, at: number): SourceFailure {
  const message = error instanceof Error ? error.message : String(error)
  return {
    code: 'INTERNAL',
    message: `The source ${sourceName(spec)} stopped by a fault of its own (${message}); report it.`,
    at,
  }
}

/** What a pass must tell for the next one to be timed; a PassReport is one. */
export interface PassOutcome {
  /** It was asked to give way before it had written anything, and did: nothing came of it. */
  readonly gaveWay?: true
  readonly wakeAt?: number
  readonly wakeScope?: PassScope
}

function wakeOf({ wakeAt, wakeScope }: PassOutcome): SinkWake | undefined {
  return wakeAt === undefined ? undefined : { at: wakeAt, scope: wakeScope ?? 'changes' }
}

/** What became of one pass. Times are milliseconds since the epoch. */
export type PassResult<Report> = {
  readonly desired: DesiredState
  readonly scope: PassScope
  readonly startedAt: number
  readonly finishedAt: number
  /** Oldest event that this pass brought to the kernel: `finishedAt - eventAt` is its latency. Absent where nothing new was written. */
  readonly eventAt?: number
} & ({ readonly ok: true; readonly report: Report } | { readonly ok: false; readonly error: unknown })

export interface ConflateOptions extends Partial<PassTimes> {
  readonly resyncInterval: number
  /** Each value asks for a full pass now. */
  readonly resync$?: Observable<unknown>
  /** Whether no pass may begin. */
  readonly paused$?: Observable<boolean>
  readonly scheduler?: SchedulerLike
}

/** Gentle enough for a burst over many services to become a few passes, quick enough for nobody to notice. */
const DEFAULT_TIMES = { spacing: 50, firstRetry: 1_000 }

/**
 * Runs `reconcile` for the newest desired state, one pass at a time: `changes` for new states and at the report's
 * `wakeAt`, `full` at first, every resync interval and after failures. A rejected pass is a result like any other and is
 * tried again with back-off. `signal` aborts when something waits that a full pass should give way to. While paused nothing is written; the
 * first pass afterwards is a full one. When the input completes, what has arrived is still written (tried once more at most; not while
 * paused), then this completes.
 */
export function conflate<Report extends PassOutcome>(
  reconcile: (desired: DesiredState, scope: PassScope, now: number, signal: AbortSignal) => Promise<Report>,
  options: ConflateOptions,
): OperatorFunction<DesiredUpdate, PassResult<Report>> {
  const { resync$ = EMPTY, paused$ = EMPTY, scheduler = steadyScheduler } = options
  const attempt = async ({ desired, scope, startedAt, eventAt }: PassStart, signal: AbortSignal): Promise<PassResult<Report>> => {
    const result = { desired, scope, startedAt, ...(eventAt !== undefined && { eventAt }) }
    try {
      const report = await reconcile(desired, scope, startedAt, signal)
      return { ...result, finishedAt: scheduler.now(), ok: true, report }
    } catch (error) {
      return { ...result, finishedAt: scheduler.now(), ok: false, error }
    }
  }
  return (updates$) =>
    new Observable((subscriber) => {
      const ended$ = new Subject<PassEvent>()
      const news$ = updates$.pipe(map(({ desired, eventAt }): PassEvent => ({ kind: 'desired', desired, eventAt })))
      const asked$ = resync$.pipe(map((): PassEvent => ({ kind: 'resync' })))
      const pauses$ = paused$.pipe(map((paused): PassEvent => ({ kind: 'pause', paused })))
      const events$ = merge(ended$, asked$, pauses$, concat(news$, of<PassEvent>({ kind: 'closing' })))
      let giving = new AbortController()
      const run = async (start: PassStart) => {
        giving = new AbortController()
        const result = await attempt(start, giving.signal)
        if (result.ok && result.report.gaveWay) return ended$.next({ kind: 'gave-way' })
        subscriber.next(result)
        ended$.next(result.ok ? { kind: 'done', wake: wakeOf(result.report) } : { kind: 'rejected' })
      }
      const follow = (order: PassOrder) => {
        if (order.kind === 'start') void run(order)
        else if (order.kind === 'finish') subscriber.complete()
        else giving.abort()
      }
      subscriber.add(
        events$.pipe(runStep(conflateStep({ ...DEFAULT_TIMES, ...options }), NO_PASS_YET, scheduler)).subscribe({
          next: follow,
          error: (error) => subscriber.error(error),
        }),
      )
    })
}
