import { concat, distinctUntilChanged, map, NEVER, of, Subject, tap } from 'rxjs'
import { readClaim } from '../config/claimed-service.ts'
import type { Configuration } from '../config/configuration.ts'
import type { DesiredState } from '../model/desired-state.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import { type ClaimsOptions, claimedServices } from '../pipeline/claims/wire.ts'
import type {
  DesiredUpdate,
  OperationalNews,
  ServiceProvenance,
  SourceStatus,
  WantedServices,
} from '../pipeline/desired-update.ts'
import { type DesiredStateOptions, desiredState } from '../pipeline/wire.ts'
import type { OpenRegistries } from '../sources/registry.ts'
import { type AskOnceOptions, askOnce, type FoundOnce, inOneRound } from './ask-once.ts'
import { openCatalogWith } from './claims.ts'

/** What should be in the kernel at one moment, for commands that look at the sources once. */
export interface DesiredOnce {
  readonly desired: DesiredState
  /** Sources that did not answer (of their services nothing is removed, or their last good answers stand in: `stale`), or by whose answers nobody is removed (`partial`). */
  readonly unanswered: readonly SourceStatus[]
  readonly held: readonly HeldOfService[]
  /** What the backends said that were asked. */
  readonly found: readonly FoundOnce[]
  /** Services that have health checks. */
  readonly checked: number
  readonly provenance: DesiredUpdate['provenance']
}

/** What the guard of one service holds. */
export interface HeldOfService {
  readonly service: ServiceKey
  readonly name: string
  readonly held: ServiceProvenance['held']
}

/**
 * What becomes of health checks: backends are asked by them; nobody is asked, and each backend has its first weight; or they
 * are as if they were not written.
 */
export type Asking = AskOnceOptions | 'nobody' | 'without checks'

/** Milliseconds that a one-shot command waits for its sources. */
const PATIENCE = 30_000

/** Asks every source once, waits until each has answered or failed or the patience is over, then asks the backends. */
export function desiredOnce(
  configuration: Configuration,
  { source, ...catalogs }: OpenRegistries,
  history: Pick<DesiredStateOptions, 'past' | 'operator$' | 'kernel$' | 'onLastGood'> & { readonly claims: ClaimsOptions },
  asking: Asking,
): Promise<DesiredOnce> {
  return new Promise((resolve, reject) => {
    const statuses = new Map<string, SourceStatus>()
    const operational$ = new Subject<OperationalNews>()
    let update: DesiredUpdate | undefined
    let settled = false
    let isOver = false
    const finish = (found: readonly FoundOnce[]): void => {
      for (const news of found) operational$.next(news)
      subscription.unsubscribe()
      if (update === undefined) reject(new Error('the pipeline gave no desired state'))
      else resolve(resultOf(update, [...statuses.values()], found))
    }
    const fail = (error: unknown): void => {
      subscription.unsubscribe()
      reject(error)
    }
    const askBackends = (): void => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      if (typeof asking === 'string' || update === undefined) finish([])
      else subscription.add(askOnce(update, asking).subscribe({ next: finish, error: fail }))
    }
    // The update that holds an answer comes after the word that there is one, in the same turn.
    const look = (): void =>
      queueMicrotask(() => {
        if (settled && update !== undefined && [...statuses.values()].every(hasSpoken)) askBackends()
      })
    const timer = setTimeout(askBackends, PATIENCE)
    const configured$ = concat(of(configuration), NEVER)
    const wanted$ = claimedServices(configured$, openCatalogWith(catalogs), readClaim, history.claims).pipe(
      tap((claimed) => {
        settled = claimed.settled
        look()
      }),
      map(({ wanted }) => wanted),
      distinctUntilChanged(),
      map((wanted) => asWanted(wanted, asking === 'without checks' ? withoutChecks : inOneRound)),
    )
    const subscription = desiredState(wanted$, source, {
      ...history,
      operational$,
      onSource: ({ kind, status }) => {
        if (kind === 'status') statuses.set(`${status.service}\n${status.source}`, status)
        look()
      },
    }).subscribe({
      next: (next) => {
        update = next
        look()
      },
      error: reject,
    })
  })
}

function asWanted(wanted: WantedServices, change: (spec: ServiceSpec) => ServiceSpec): WantedServices {
  return { ...wanted, services: wanted.services.map(change) }
}

function withoutChecks(spec: ServiceSpec): ServiceSpec {
  return { ...spec, checks: [] }
}

function resultOf(
  { desired, provenance }: DesiredUpdate,
  statuses: readonly SourceStatus[],
  found: readonly FoundOnce[],
): DesiredOnce {
  const held = [...provenance].flatMap(([service, { spec, held }]) =>
    held.size === 0 ? [] : [{ service, name: spec.name, held }],
  )
  const checked = [...provenance.values()].filter(({ spec }) => spec.checks.length > 0).length
  return {
    desired,
    unanswered: statuses.filter(({ state, partial }) => state !== 'up' || partial),
    held,
    found,
    checked,
    provenance,
  }
}

function hasSpoken({ state, failure }: SourceStatus): boolean {
  return state !== 'pending' || failure !== undefined
}
