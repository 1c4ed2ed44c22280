import { Observable, Subject, VirtualTimeScheduler } from 'rxjs'
import type { OperatorWords } from '../../../src/model/admin-state.ts'
import type { BackendSet } from '../../../src/model/backend.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import type { SourceEvent } from '../../../src/model/source-event.ts'
import { sourceName } from '../../../src/model/source-spec.ts'
import { type ServiceKey, serviceKey } from '../../../src/model/virtual-service.ts'
import type { KernelKnown } from '../../../src/pipeline/deciding/kernel-known.ts'
import type {
  DesiredUpdate,
  GuardChange,
  LastGood,
  LastGoodChange,
  OperationalNews,
  ProbeVerdict,
  SourceChange,
  WantedServices,
} from '../../../src/pipeline/desired-update.ts'
import { desiredState } from '../../../src/pipeline/wire.ts'
import type { PipelineTurn } from '../../../src/pipeline/witness.ts'
import { identity, numbers } from './makers.ts'

/** The service that most tests speak of. */
export const web = serviceKey(identity(1))

/** A running pipeline in virtual time; sources are told what to say by path. */
export class Bench {
  readonly scheduler = new VirtualTimeScheduler(undefined, 0)
  readonly wanted$ = new Subject<WantedServices>()
  readonly updates: DesiredUpdate[] = []
  readonly changes: SourceChange[] = []
  readonly guards: GuardChange[] = []
  readonly lastGood: LastGoodChange[] = []
  readonly turns: PipelineTurn[] = []
  readonly past = new Map<string, LastGood>()
  readonly approve$ = new Subject<ServiceKey>()
  readonly probed$ = new Subject<ProbeVerdict>()
  readonly operational$ = new Subject<OperationalNews>()
  readonly operator$ = new Subject<OperatorWords>()
  readonly kernel$ = new Subject<KernelKnown>()
  readonly known: BackendSet['backends'][] = []
  readonly opened: string[] = []
  readonly closed: string[] = []
  readonly #sources = new Map<string, Subject<SourceEvent>>()
  readonly #subscription = desiredState(
    this.wanted$,
    (source, _, known) =>
      new Observable((subscriber) => {
        this.known.push(known)
        const said$ = new Subject<SourceEvent>()
        const path = sourceName(source).slice('file '.length)
        this.opened.push(path)
        this.#sources.set(path, said$)
        subscriber.next({ kind: 'pending' })
        subscriber.add(said$.subscribe(subscriber))
        subscriber.add(() => this.closed.push(path))
      }),
    {
      scheduler: this.scheduler,
      onSource: (change) => this.changes.push(change),
      onGuard: (change) => this.guards.push(change),
      onLastGood: (change) => this.lastGood.push(change),
      onTurn: (turn) => this.turns.push(turn),
      approve$: this.approve$,
      probed$: this.probed$,
      operational$: this.operational$,
      operator$: this.operator$,
      kernel$: this.kernel$,
      past: { lastGood: (_, source) => this.past.get(sourceName(source)), patience: 2_000 },
    },
  ).subscribe((update) => this.updates.push(update))

  configure(...services: ServiceSpec[]): void {
    this.wanted$.next({ services })
  }

  say(event: SourceEvent, path = '/lists/web.yaml'): void {
    this.#sources.get(path)?.next(event)
  }

  fail(path: string): void {
    this.#sources.get(path)?.error(new Error('a bug'))
  }

  /** Lets virtual time run to a moment. */
  until(time: number): void {
    this.scheduler.maxFrames = time
    this.scheduler.flush()
    this.scheduler.frame = time
  }

  service(at = web) {
    return this.updates.at(-1)?.desired.services.get(at)
  }

  held(at = web): string[] {
    return [...(this.updates.at(-1)?.provenance.get(at)?.held.keys() ?? [])].sort()
  }

  destinations(at = web): string[] {
    return numbers(this.service(at)?.destinations ?? [])
  }

  stop(): void {
    this.#subscription.unsubscribe()
  }
}

export function bench(...services: ServiceSpec[]): Bench {
  const made = new Bench()
  made.configure(...services)
  return made
}
