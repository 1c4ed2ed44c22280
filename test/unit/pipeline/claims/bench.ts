import { Observable, Subject, VirtualTimeScheduler } from 'rxjs'
import { readClaim } from '../../../../src/config/claimed-service.ts'
import type { BackendSet } from '../../../../src/model/backend.ts'
import type { Announcement, CatalogEvent } from '../../../../src/model/catalog-event.ts'
import { catalogServiceName } from '../../../../src/model/catalog-spec.ts'
import { type ServiceKey, serviceKey } from '../../../../src/model/virtual-service.ts'
import type { Standing } from '../../../../src/pipeline/claims/changes.ts'
import type { ClaimsPast } from '../../../../src/pipeline/claims/claim.ts'
import type { ConfiguredServices } from '../../../../src/pipeline/claims/state.ts'
import { type ClaimedServices, claimedServices } from '../../../../src/pipeline/claims/wire.ts'
import { loaded } from '../../config/support.ts'

type Trust = BackendSet['trust']

export const EVERYBODY = '{ service: "*", listen: [10.0.0.0/28:80] }'

/** A configuration with one catalog, whose `allow` holds these permissions. */
export function configuration(more = '', allow = EVERYBODY, services = '[]'): ConfiguredServices {
  return loaded(`${more}\nservices: ${services}\ncatalog: [{ consul: , allow: [${allow}] }]`)
}

/** A registry in memory, in virtual time. */
export class ClaimsBench {
  readonly scheduler = new VirtualTimeScheduler(undefined, 0)
  readonly told: ClaimedServices[] = []
  readonly opened: string[] = []
  readonly closed: string[] = []
  readonly #configured$ = new Subject<ConfiguredServices>()
  readonly #approve$ = new Subject<ServiceKey>()
  readonly #names = new Map<string, Subject<CatalogEvent<ReadonlySet<string>>>>()
  readonly #services = new Map<string, Subject<CatalogEvent<Announcement>>>()
  readonly #standings = new Map<string, Standing>()

  constructor(first: ConfiguredServices = configuration(), past: Partial<ClaimsPast> = {}) {
    const open = {
      names: ({ namespace = '' }) => this.#open(this.#names, namespace, `names ${namespace}`),
      announcements: (_: unknown, who: Parameters<typeof catalogServiceName>[0]) =>
        this.#open(this.#services, catalogServiceName(who), catalogServiceName(who)),
    }
    claimedServices(this.#configured$, open, readClaim, {
      past: { claims: [], owned: [], ...past },
      approve$: this.#approve$,
      scheduler: this.scheduler,
      onChange: ({ before, after }) => {
        if (before !== undefined) this.#standings.delete(catalogServiceName(before.who))
        if (after !== undefined) this.#standings.set(catalogServiceName(after.who), after)
      },
    }).subscribe((claimed) => this.told.push(claimed))
    this.configure(first)
  }

  configure(next: ConfiguredServices): void {
    this.#configured$.next(next)
  }

  names(list: readonly string[], trust: Trust = 'fresh', namespace = ''): void {
    this.#names.get(namespace)?.next({ kind: 'answer', content: new Set(list), trust, at: this.scheduler.now() })
  }

  fail(service?: string): void {
    const failure = { code: 'SOURCE_UNREADABLE', message: 'It is dead', at: this.scheduler.now() }
    const asked = service === undefined ? this.#names.get('') : this.#services.get(service)
    asked?.next({ kind: 'failure', failure })
  }

  /** A number is the last one of 10.0.0.x:80. */
  says(service: string, what: number | Readonly<Record<string, string>>, trust: Trust = 'fresh'): void {
    const words = typeof what === 'number' ? { listen: `10.0.0.${what}:80` } : what
    this.hears(service, { kind: 'marked', words, problems: [] }, trust)
  }

  hears(service: string, content: Announcement, trust: Trust = 'fresh'): void {
    this.#services.get(service)?.next({ kind: 'answer', content, trust, at: this.scheduler.now() })
  }

  gone(service: string, trust: Trust = 'fresh'): void {
    this.hears(service, { kind: 'gone' }, trust)
  }

  approve(service: ServiceKey): void {
    this.#approve$.next(service)
  }

  /** Lets milliseconds go by. */
  pass(milliseconds: number): void {
    const until = this.scheduler.frame + milliseconds
    this.scheduler.maxFrames = until
    this.scheduler.flush()
    this.scheduler.frame = until
  }

  /** `10.0.0.1 web`: everything that is wanted, once what was gathered is told. */
  wanted(): string[] {
    this.pass(30)
    const services = this.told.at(-1)?.wanted.services ?? []
    return services.map(({ name, identity }) => `${serviceKey(identity).replace(/^tcp\/(.*):80$/, '$1')} ${name}`).sort()
  }

  undecided(): string[] {
    this.pass(30)
    return [...(this.told.at(-1)?.wanted.undecided ?? [])]
  }

  standing(service: string): Standing | undefined {
    return this.#standings.get(service)
  }

  #open<Content>(subjects: Map<string, Subject<CatalogEvent<Content>>>, key: string, name: string) {
    return new Observable<CatalogEvent<Content>>((subscriber) => {
      const said$ = new Subject<CatalogEvent<Content>>()
      subjects.set(key, said$)
      this.opened.push(name)
      subscriber.add(said$.subscribe(subscriber))
      subscriber.add(() => this.closed.push(name))
    })
  }
}
