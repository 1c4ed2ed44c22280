import { catchError, filter, from, lastValueFrom, map, mergeMap, type Observable, of, take, timeout, toArray } from 'rxjs'
import type { Configuration } from '../../config/configuration.ts'
import type { Backend } from '../../model/backend.ts'
import type { CatalogEvent } from '../../model/catalog-event.ts'
import type { CatalogSpec } from '../../model/catalog-spec.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import type { SourceEvent } from '../../model/source-event.ts'
import { type SourceSpec, sourceName } from '../../model/source-spec.ts'
import { type OpenRegistries, openRegistriesWith } from '../../sources/registry.ts'
import type { AskedSource } from './facts.ts'

/** Milliseconds: longer than sources give a question themselves. */
const PATIENCE = 15_000
/** Sources that are asked at a time. */
const AT_A_TIME = 32

/** What the sources of a configuration said when they were asked once. */
export interface SourceAnswers {
  /** Sources that are the same to people are one. */
  readonly sources: readonly AskedSource[]
  /** The members of each service, by its name: those that are written, and those that its sources named. */
  readonly members: ReadonlyMap<string, readonly Backend[]>
}

type Asked = Pick<Configuration, 'services' | 'catalogs'>

export async function askSources(
  { services, catalogs }: Asked,
  { source, names }: Pick<OpenRegistries, 'source' | 'names'> = openRegistriesWith(),
): Promise<SourceAnswers> {
  const questions = services.flatMap((service) => service.sources.map((spec) => ({ service, spec })))
  const [answers, asked] = await Promise.all([
    all(questions, (each) => firstWord(source(each.spec, each.service)).pipe(map((event) => ({ ...each, event })))),
    all(catalogs, (catalog) => askCatalog(catalog, names)),
  ])
  const members = new Map(services.map(({ name, backends }) => [name, [...backends.values()]]))
  for (const { service, event } of answers) if ('set' in event) members.get(service.name)?.push(...event.set.backends.values())
  return { sources: [...joined(answers), ...asked], members }
}

function all<Question, Answer>(
  questions: readonly Question[],
  ask: (question: Question) => Observable<Answer>,
): Promise<Answer[]> {
  return lastValueFrom(from(questions).pipe(mergeMap(ask, AT_A_TIME), toArray()))
}

interface Answered {
  readonly service: ServiceSpec
  readonly spec: SourceSpec
  readonly event: SourceEvent
}

function joined(answers: readonly Answered[]): Iterable<AskedSource> {
  const asked = new Map<string, AskedSource>()
  for (const { service, spec, event } of answers) {
    const name = sourceName(spec)
    const before = asked.get(name)
    const services = [...(before?.services ?? []), service.name]
    if (event.kind === 'fresh') asked.set(name, { name, services, named: Math.max(event.set.backends.size, before?.named ?? 0) })
    else asked.set(name, { name, services, failure: event.failure?.message ?? SILENT })
  }
  return asked.values()
}

/** What it says first: an answer, or why there is none. */
function firstWord(source: Observable<SourceEvent>): Observable<SourceEvent> {
  return source.pipe(
    filter((event) => event.kind !== 'pending' || event.failure !== undefined),
    take(1),
    timeout(PATIENCE),
    catchError(() => of<SourceEvent>({ kind: 'pending' })),
  )
}

function askCatalog({ name: catalog, instances }: CatalogSpec, names: OpenRegistries['names']): Observable<AskedSource> {
  const asked = { name: `catalog ${catalog}`, services: [] }
  const told = (event: CatalogEvent<ReadonlySet<string>>): AskedSource =>
    event.kind === 'answer' ? { ...asked, named: event.content.size } : { ...asked, failure: event.failure.message }
  return names(instances).pipe(
    take(1),
    map(told),
    timeout(PATIENCE),
    catchError(() => of({ ...asked, failure: SILENT })),
  )
}

const SILENT = `it says nothing within ${PATIENCE / 1000} s`
