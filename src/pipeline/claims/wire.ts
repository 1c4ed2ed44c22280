import { isDeepStrictEqual } from 'node:util'
import { map, merge, NEVER, Observable, type SchedulerLike, Subject, type Subscription } from 'rxjs'
import type { Announcement, CatalogEvent } from '../../model/catalog-event.ts'
import { type CatalogService, type CatalogSpec, catalogServiceId } from '../../model/catalog-spec.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import { steadyScheduler } from '../../steady-scheduler.ts'
import type { WantedServices } from '../desired-update.ts'
import { runStep } from '../wire.ts'
import type { ClaimChange } from './changes.ts'
import type { ClaimsPast, ReadClaim } from './claim.ts'
import { type ClaimsEvent, claimsStep } from './claims.ts'
import { type CatalogScope, type ConfiguredServices, NO_CLAIMS, type ScopeState, scopeId } from './state.ts'

/** Asks registries; what it returns is subscribed once and unsubscribed when nobody wants to know any more. */
export interface OpenCatalog {
  /** The names of all services. */
  names(scope: CatalogScope): Observable<CatalogEvent<ReadonlySet<string>>>
  /** What the instances of one service say. */
  announcements(catalog: CatalogSpec, who: CatalogService): Observable<CatalogEvent<Announcement>>
}

export interface ClaimsOptions {
  readonly past?: ClaimsPast
  /** Told of everybody who stands differently than before. */
  readonly onChange?: (change: ClaimChange) => void
  /** Told how the scopes of all catalogs stand, by id. */
  readonly onScopes?: (scopes: ReadonlyMap<string, ScopeState>) => void
  /** Services of which the operator lets go what is held. */
  readonly approve$?: Observable<ServiceKey>
  readonly scheduler?: SchedulerLike
}

/** The services of the configuration and those that the registries claim. */
export interface ClaimedServices {
  readonly wanted: WantedServices
  /** Every registry, and everybody in it who may claim something, has answered or failed. */
  readonly settled: boolean
}

/** From configurations and registries to the services that are wanted. Never completes by itself. */
export function claimedServices(
  configured$: Observable<ConfiguredServices>,
  open: OpenCatalog,
  read: ReadClaim,
  options: ClaimsOptions = {},
): Observable<ClaimedServices> {
  const { past, onChange, onScopes, approve$ = NEVER, scheduler = steadyScheduler } = options
  return new Observable((subscriber) => {
    const heard$ = new Subject<ClaimsEvent>()
    const questions = new Questions(open, (event) => heard$.next(event))
    subscriber.add(() => questions.close())
    let last: ClaimedServices | undefined
    let catalogs: ConfiguredServices['catalogs'] = []
    let memory = past
    const events$ = merge(
      heard$,
      configured$.pipe(
        map((configured): ClaimsEvent => {
          const before = memory
          memory = undefined
          catalogs = configured.catalogs
          return { kind: 'configured', configured, ...(before !== undefined && { past: before }) }
        }),
      ),
      approve$.pipe(map((service): ClaimsEvent => ({ kind: 'approved', service }))),
    )
    subscriber.add(
      events$.pipe(runStep(claimsStep(read), NO_CLAIMS, scheduler)).subscribe({
        next: ({ wanted = last?.wanted, settled, ask, changes, scopes }) => {
          for (const change of changes) onChange?.(change)
          onScopes?.(scopes)
          if (wanted !== undefined && (wanted !== last?.wanted || settled !== last.settled)) {
            last = { wanted, settled }
            subscriber.next(last)
          }
          if (ask !== undefined) questions.follow(ask, catalogs)
        },
        error: (error) => subscriber.error(error),
      }),
    )
  })
}

interface Question {
  readonly about: unknown
  readonly open: () => Observable<ClaimsEvent>
}

/** The open questions, kept equal to what has to be asked. One whose registry is reached another way is asked anew. */
class Questions {
  readonly #open: OpenCatalog
  readonly #heard: (event: ClaimsEvent) => void
  readonly #asked = new Map<string, { readonly about: unknown; readonly subscription: Subscription }>()

  constructor(open: OpenCatalog, heard: (event: ClaimsEvent) => void) {
    this.#open = open
    this.#heard = heard
  }

  follow(
    { scopes, services }: { readonly scopes: readonly CatalogScope[]; readonly services: readonly CatalogService[] },
    catalogs: readonly CatalogSpec[],
  ): void {
    const wanted = new Map<string, Question>()
    for (const scope of scopes) wanted.set(scopeId(scope.catalog.name, scope.namespace), this.#namesOf(scope))
    for (const who of services) {
      const catalog = catalogs.find(({ name }) => name === who.catalog)
      if (catalog !== undefined) wanted.set(catalogServiceId(who), this.#announcementsOf(catalog, who))
    }
    for (const [id, { about, subscription }] of this.#asked) {
      if (isDeepStrictEqual(wanted.get(id)?.about, about)) continue
      this.#asked.delete(id)
      subscription.unsubscribe()
    }
    for (const [id, { about, open }] of wanted) {
      if (!this.#asked.has(id)) this.#asked.set(id, { about, subscription: open().subscribe((event) => this.#heard(event)) })
    }
  }

  close(): void {
    this.follow({ scopes: [], services: [] }, [])
  }

  #namesOf(scope: CatalogScope): Question {
    const toEvent = (event: CatalogEvent<ReadonlySet<string>>): ClaimsEvent => ({ kind: 'named', scope, event })
    return { about: scope.catalog.instances, open: () => this.#open.names(scope).pipe(map(toEvent)) }
  }

  #announcementsOf(catalog: CatalogSpec, who: CatalogService): Question {
    const toEvent = (event: CatalogEvent<Announcement>): ClaimsEvent => ({ kind: 'said', who, event })
    return { about: [catalog.instances, catalog.prefix], open: () => this.#open.announcements(catalog, who).pipe(map(toEvent)) }
  }
}
