import { BehaviorSubject, finalize, interval, map, merge, mergeWith, NEVER, Observable, Subject, takeUntil, tap } from 'rxjs'
import type { Metrics } from '../admin/metrics.ts'
import { readClaim } from '../config/claimed-service.ts'
import type { Configuration } from '../config/configuration.ts'
import type { OperatorWords } from '../model/admin-state.ts'
import type { DesiredState } from '../model/desired-state.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { StateEvent } from '../model/state-event.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { ClaimChange } from '../pipeline/claims/changes.ts'
import type { ClaimsPast } from '../pipeline/claims/claim.ts'
import { claimedServices, type OpenCatalog } from '../pipeline/claims/wire.ts'
import type { KernelKnown } from '../pipeline/deciding/kernel-known.ts'
import type {
  DesiredUpdate,
  GuardChange,
  LastGoodChange,
  Past,
  SourceChange,
  WantedServices,
} from '../pipeline/desired-update.ts'
import { conflate, desiredState, type OpenSource } from '../pipeline/wire.ts'
import type { PipelineTurn } from '../pipeline/witness.ts'
import type { Sink } from '../sinks/sink.ts'
import { steadyScheduler } from '../steady-scheduler.ts'
import { Adopting } from './adopting.ts'
import { type Held, heldOf } from './approval.ts'
import type { Hooks } from './hooks.ts'
import { LifeSigns } from './life-signs.ts'
import { logAnnouncements } from './log-announcement.ts'
import { logGuard } from './log-guard.ts'
import { PassUnderWay } from './pass-under-way.ts'
import { recordPass, watchedPasses } from './passes.ts'
import type { Certificates, LastResults } from './probe-backends.ts'
import { Probing, type ProbingParts } from './probing.ts'
import { FIRST_ANSWER, type Status } from './status.ts'
import type { Supervisor } from './supervisor.ts'
import { CatalogTeller, tellClaim } from './tell-claims.ts'
import { tellPools } from './tell-pools.ts'
import { tellSource } from './tell-source.ts'
import { guardTurns, sourceTurn, transitionsBetween } from './transitions.ts'

export interface RunningParts extends ProbingParts {
  readonly sink: Sink
  readonly status: Status
  readonly metrics: Metrics
  readonly supervisor: Supervisor
  readonly openSource: OpenSource
  /** What is known of the kernel, at once and when it becomes different. */
  readonly kernel$: Observable<KernelKnown>
  /** What is ours by the record. */
  readonly owned: (service: ServiceKey) => ReadonlySet<DestinationKey>
  readonly openCatalog: OpenCatalog
  readonly claimsPast: ClaimsPast
  readonly onClaim: (change: ClaimChange) => void
  /** The operator's words in force, now and at each change. */
  readonly operator$: Observable<OperatorWords>
  /** Told of what turns. */
  readonly tell: (event: StateEvent) => void
  /** Told of what the log has a line for already. */
  readonly hooks: Pick<Hooks, 'offer'>
  readonly past: Past
  readonly onLastGood: (change: LastGoodChange) => void
  /** Told of every turn of the pipeline; absent: nobody wants to know. */
  readonly onTurn?: (turn: PipelineTurn) => void
  /** Milliseconds. */
  readonly resyncInterval: number
  /** Each value asks for a full pass. */
  readonly resync$: Observable<unknown>
  /** Told of the services whenever they are others. */
  readonly onServices: (services: WantedServices['services']) => void
  /** Whether nothing may be written, now and at each change. */
  readonly paused$: Observable<boolean>
  /** Called after every full pass that was not rejected. */
  readonly afterFullPass: () => void
}

/** The road of an event, from the configuration and its sources to the kernel. */
export class Running {
  readonly #configured: BehaviorSubject<Configuration>
  readonly #stop = new Subject<void>()
  readonly #approve = new Subject<ServiceKey>()
  /** States to be written anew although nothing was decided anew. */
  readonly #again = new Subject<DesiredUpdate>()
  readonly #resync = new Subject<void>()
  readonly #adopting: Adopting
  readonly #pass = new PassUnderWay()
  readonly #probing = new Probing()
  readonly #updates = new WeakMap<DesiredState, DesiredUpdate>()
  readonly #sink: Pick<Sink, 'settled'>
  #wanted: WantedServices
  /** Services of registries that have no instance any more. */
  readonly #definitionsHeld = new Set<ServiceKey>()
  #latest: DesiredUpdate | undefined
  /** Resolves when the road is empty after `stop()`; rejects when a part of it broke, which is a defect. */
  readonly ended: Promise<void>

  constructor(configuration: Configuration, parts: RunningParts) {
    this.#configured = new BehaviorSubject(configuration)
    this.#wanted = configuration
    this.#sink = parts.sink
    this.#adopting = new Adopting(parts.owned)
    this.ended = new Promise((resolve, reject) => {
      this.#road(parts).subscribe({ complete: resolve, error: reject })
    })
  }

  get configuration(): Configuration {
    return this.#configured.value
  }

  /** The services of the configuration and those that registries claim. */
  get services(): WantedServices['services'] {
    return this.#wanted.services
  }

  /** The newest desired state and where it comes from; undefined before the first. */
  get update(): DesiredUpdate | undefined {
    return this.#latest
  }

  /** Certificates that backends have shown to probes. */
  get certificates(): ReadonlyMap<ServiceKey, Certificates> {
    return this.#probing.certificates
  }

  /** What probes of a backend found last. */
  get lastResults(): LastResults {
    return this.#probing.lastResults
  }

  reconfigure(configuration: Configuration): void {
    this.#configured.next(configuration)
  }

  /** Lets go what is held of a service, and gives it. Throws BAD_INPUT and NOTHING_HELD. */
  approve(name: string): Held {
    const held = heldOf(name, this.services, this.#latest, this.#definitionsHeld)
    this.#approve.next(held.key)
    return held
  }

  /** Resolves when nothing is being written any more of what was begun; with false when that takes too long. */
  betweenPasses(): Promise<boolean> {
    return this.#pass.ended(async () => this.#sink.settled?.())
  }

  /** The next pass takes over foreign destinations of a service that is wanted. */
  adopt(service: ServiceKey, foreign: readonly DestinationKey[]): void {
    this.#adopting.add(service, foreign)
    this.#resync.next()
    this.#writeAgain()
  }

  /** Nothing is taken over any more of what no pass has taken over yet. Gives those services. */
  dropAdoptions(): readonly ServiceKey[] {
    if (this.#adopting.isEmpty) return []
    const dropped = this.#adopting.drop()
    this.#writeAgain()
    return dropped
  }

  /** What has arrived is still written, then the road ends. */
  stop(): void {
    this.#stop.next()
  }

  #road(parts: RunningParts): Observable<unknown> {
    const { sink, status, metrics, supervisor } = parts
    const { passInterval } = supervisor
    const life = new LifeSigns(parts, () => this.services)
    const announceReady = () => life.announceReady()
    const beat$ = passInterval !== undefined && passInterval < parts.resyncInterval ? interval(passInterval) : NEVER
    const onSource = (change: SourceChange) => {
      tellSource(change, parts)
      const turn = sourceTurn(change)
      if (turn !== undefined) parts.hooks.offer(turn)
      announceReady()
    }
    const patience = setTimeout(announceReady, FIRST_ANSWER)
    const alive = life.whilePaused(parts.paused$)
    const onGuard = (change: GuardChange) => {
      logGuard(parts.logger, change)
      for (const turn of guardTurns(change)) parts.hooks.offer(turn)
    }
    const { past, onLastGood, onTurn, operator$, kernel$ } = parts
    const updates$ = new Subject<DesiredUpdate>()
    const probing = this.#probing.follow(updates$, parts, this.#stop)
    const { probed$, operational$ } = this.#probing
    const heard = { approve$: this.#approve, probed$, operational$, operator$, kernel$ }
    const options = { onSource, onGuard, ...heard, past, onLastGood, ...(onTurn !== undefined && { onTurn }) }
    return desiredState(this.#wantedServices(parts, announceReady), parts.openSource, options).pipe(
      tap((update) => {
        for (const turn of transitionsBetween(this.#latest, update)) parts.tell(turn)
        tellPools(this.#latest, update, parts)
        logAnnouncements(this.#latest, update, parts.logger)
        this.#latest = update
      }),
      mergeWith(this.#again),
      map((update) => {
        const roaded = parts.roads.follow(this.#adopting.in(update))
        this.#updates.set(roaded.desired, update)
        updates$.next(roaded)
        return roaded
      }),
      takeUntil(this.#stop),
      conflate(this.#pass.watched(watchedPasses(sink, status, metrics)), {
        resyncInterval: parts.resyncInterval,
        resync$: merge(beat$, parts.resync$, this.#resync),
        paused$: parts.paused$,
      }),
      tap((result) => {
        recordPass(sink.name, result, this.#updates.get(result.desired), parts)
        if (result.ok && result.scope === 'full') parts.afterFullPass()
        if (this.#adopting.ended(result)) this.#writeAgain()
        const otherRoads = result.ok && parts.roads.passEnded(result.desired, result.report, result.scope)
        if (otherRoads) this.#writeAgain(result.finishedAt)
        life.tell()
      }),
      finalize(() => {
        clearTimeout(patience)
        alive.unsubscribe()
        probing.unsubscribe()
      }),
    )
  }

  #writeAgain(eventAt = steadyScheduler.now()): void {
    if (this.#latest !== undefined) this.#again.next({ ...this.#latest, eventAt })
  }

  #wantedServices(parts: RunningParts, announceReady: () => void): Observable<WantedServices> {
    const { status, openCatalog, claimsPast: past } = parts
    const catalogs = new CatalogTeller(parts)
    const onChange = (change: ClaimChange) => {
      this.#noteHeld(change)
      tellClaim(change, parts)
      parts.onClaim(change)
    }
    const onScopes = (scopes: Parameters<CatalogTeller['tell']>[0]) => catalogs.tell(scopes)
    const options = { past, onChange, onScopes, approve$: this.#approve }
    return new Observable((subscriber) =>
      claimedServices(this.#configured, openCatalog, readClaim, options).subscribe({
        next: ({ wanted, settled }) => {
          status.catalogsSettled(settled)
          const isNew = wanted !== this.#wanted
          this.#wanted = wanted
          if (isNew) {
            parts.onServices(wanted.services)
            subscriber.next(wanted)
          }
          announceReady()
        },
        error: (error) => subscriber.error(error),
      }),
    )
  }

  #noteHeld({ before, after }: ClaimChange): void {
    if (before?.claim !== undefined) this.#definitionsHeld.delete(before.claim.key)
    if (after?.claim?.goneSince !== undefined) this.#definitionsHeld.add(after.claim.key)
  }
}
