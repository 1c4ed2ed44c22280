import type { HealthFacts, PoolFacts, SinkFacts } from '../admin/health.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { DesiredUpdate, SourceChange, SourceStatus } from '../pipeline/desired-update.ts'
import type { ObjectFailure } from '../sinks/sink.ts'
import { SinkStandings } from './sink-standings.ts'

/** Milliseconds that the first reconcile waits for sources that say nothing at all, neither an answer nor a failure, and for a kernel that is slow. */
export const FIRST_ANSWER = 30_000

/** What the running daemon knows of itself. It is told facts and asked for health; it decides nothing. */
export class Status {
  /** How each sink stands by itself. */
  readonly sinks = new SinkStandings()
  readonly #sink: string
  readonly #resyncInterval: number
  readonly #startedAt: number
  readonly #clock: () => number
  readonly #sources = new Map<string, SourceStatus>()
  /** Of `sources`, those that have never answered. */
  readonly #pending = new Set<string>()
  #stuck: string | undefined
  #lastSuccess: number | undefined
  #failure: string | undefined
  #failingObjects: readonly ObjectFailure[] = []
  #firstReconcileDone = false
  /** What the last pass that was not rejected brought to the kernel. */
  #written: DesiredUpdate | undefined
  #late = false
  #catalogsSettled = true
  /** Failures of registries by the name of their catalog. */
  #failingCatalogs: ReadonlyMap<string, string> = new Map()
  /** Those with which something is wrong. */
  readonly #pools = new Map<ServiceKey, PoolFacts>()
  #configRejected: string | undefined
  #adminUnserved: string | undefined
  #restartNeeded: readonly string[] = []
  #paused: string | undefined

  /** `clock`: milliseconds that never jump; `resyncInterval` in the same unit. */
  constructor(sink: string, resyncInterval: number, clock: () => number) {
    this.#sink = sink
    this.#resyncInterval = resyncInterval
    this.#clock = clock
    this.#startedAt = clock()
  }

  get stuck(): string | undefined {
    return this.#stuck
  }

  get firstReconcileDone(): boolean {
    return this.#firstReconcileDone
  }

  /** Whether all is done that a start waits for. */
  get isReady(): boolean {
    return this.#firstReconcileDone || this.#paused !== undefined
  }

  /** Why nothing is written, in words; undefined where it is. */
  get paused(): string | undefined {
    return this.#paused
  }

  /** Why nobody is answered at the admin address; undefined: it is served, or there is none. */
  get adminUnserved(): string | undefined {
    return this.#adminUnserved
  }

  /** As the last pass left them. */
  get failingObjects(): readonly ObjectFailure[] {
    return this.#failingObjects
  }

  /** Services whose members are not known yet. */
  get withoutData(): readonly string[] {
    return [...new Set([...this.#pending].flatMap((key) => this.#sources.get(key)?.name ?? []))]
  }

  /** How the sources of each service stand at this moment. */
  get sources(): ReadonlyMap<ServiceKey, readonly SourceStatus[]> {
    return Map.groupBy(this.#sources.values(), ({ service }) => service)
  }

  sourceChanged(change: SourceChange): void {
    const key = `${change.status.service}\n${change.status.source}`
    if (change.kind === 'gone') this.#sources.delete(key)
    else this.#sources.set(key, change.status)
    if (change.kind === 'status' && change.status.state === 'pending') this.#pending.add(key)
    else this.#pending.delete(key)
    this.lookForReadiness()
  }

  /** Every registry has answered or failed; a start waits for that. */
  catalogsSettled(settled: boolean): void {
    this.#catalogsSettled = settled
  }

  /** Why registries do not answer, by the name of their catalog; all of them. */
  catalogsFailing(failures: ReadonlyMap<string, string>): void {
    this.#failingCatalogs = failures
  }

  /** A pool stands otherwise than before; undefined: its service is not wanted any more. */
  poolChanged(key: ServiceKey, facts: PoolFacts | undefined): void {
    const isWell = facts === undefined || (facts.mode === 'normal' && facts.hasQuorum !== false && facts.heldFailures === 0)
    if (isWell) this.#pools.delete(key)
    else this.#pools.set(key, facts)
  }

  /** A pass was not rejected. `isLate`: a part of it is still at work, and services may wait for that. */
  passEnded(update: DesiredUpdate | undefined, good: boolean, failed: readonly ObjectFailure[], isLate = false): void {
    this.#failure = undefined
    this.#failingObjects = failed
    if (good) this.#lastSuccess = this.#clock()
    this.#written = update ?? this.#written
    this.#late = isLate
    this.lookForReadiness()
  }

  /**
   * Whether the first reconcile is done by now; once it is, it stays so. Every source must have answered and be in the
   * kernel, or have failed without ever answering, and no part of the pass may be under way; nothing is waited for beyond FIRST_ANSWER after a pass.
   */
  lookForReadiness(): void {
    if (this.#firstReconcileDone || this.#written === undefined) return
    const written = this.#written
    const settled = [...this.#sources.values()].every((source) =>
      source.state === 'pending' ? source.failure !== undefined : isWritten(source, written),
    )
    this.#firstReconcileDone =
      (settled && this.#catalogsSettled && !this.#late) || this.#clock() - this.#startedAt >= FIRST_ANSWER
  }

  passRejected(message: string): void {
    this.#failure = message
  }

  kernelStuck(message: string): void {
    this.#stuck ??= message
  }

  configAccepted(restartNeeded: readonly string[]): void {
    this.#configRejected = undefined
    this.#restartNeeded = restartNeeded
  }

  configRejected(message: string): void {
    this.#configRejected = message
  }

  /** As `adminUnserved`. */
  adminChanged(unserved: string | undefined): void {
    this.#adminUnserved = unserved
  }

  /** Nothing is written from now on, in words; undefined: it is again. */
  pauseChanged(text: string | undefined): void {
    this.#paused = text
  }

  facts(): HealthFacts {
    const sink: SinkFacts = {
      name: this.#sink,
      ...(this.#lastSuccess !== undefined && { lastSuccess: this.#lastSuccess }),
      ...(this.#failure !== undefined && { failure: this.#failure }),
      failingObjects: this.#failingObjects,
    }
    return {
      startedAt: this.#startedAt,
      resyncInterval: this.#resyncInterval,
      ...(this.#stuck !== undefined && { stuck: this.#stuck }),
      withoutData: this.withoutData,
      firstReconcileDone: this.#firstReconcileDone,
      sinks: [sink],
      failingSources: [
        ...[...this.#sources.values()].flatMap(failing),
        ...[...this.#failingCatalogs].map(([catalog, message]) => ({ source: `catalog ${catalog}`, message })),
      ],
      heldRemovals: [...this.#sources.values()].flatMap(held),
      pools: [...this.#pools.values()],
      ...(this.#configRejected !== undefined && { configRejected: this.#configRejected }),
      ...(this.#adminUnserved !== undefined && { adminUnserved: this.#adminUnserved }),
      restartNeeded: this.#restartNeeded,
      ...(this.#paused !== undefined && { paused: this.#paused }),
    }
  }
}

function isWritten(source: SourceStatus, update: DesiredUpdate): boolean {
  const written = update.provenance.get(source.service)?.sources.find((each) => each.source === source.source)
  return written !== undefined && written.state !== 'pending'
}

function held({ name, source, heldRemovals }: SourceStatus): HealthFacts['heldRemovals'] {
  return heldRemovals === 0 ? [] : [{ service: name, source, count: heldRemovals }]
}

function failing({ name, source, failure }: SourceStatus): HealthFacts['failingSources'] {
  return failure === undefined ? [] : [{ source: `${name}: ${source}`, message: failure.message }]
}
