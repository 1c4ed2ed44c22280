import type { Observable } from 'rxjs'
import { checkBackend } from '../document/backend-rules.ts'
import type { Issue } from '../document/issue.ts'
import type { BackendSet } from '../model/backend.ts'
import type { Announcement, CatalogEvent } from '../model/catalog-event.ts'
import type { CatalogSpec } from '../model/catalog-spec.ts'
import type { ConsulSourceSpec } from '../model/consul-source-spec.ts'
import type { DnsSourceSpec, DnsSrvSourceSpec } from '../model/dns-source-spec.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { SourceEvent } from '../model/source-event.ts'
import { type SourceSpec, sourceName } from '../model/source-spec.ts'
import type { WatchFileOptions } from '../watch/watch-file.ts'
import { consulAnnouncements, consulNames } from './consul/catalog.ts'
import { consulSource } from './consul/consul-source.ts'
import { ConsulWatches } from './consul/watches.ts'
import { type DnsSourceOptions, dnsSource } from './dns/dns-source.ts'
import { Lookups } from './dns/lookups.ts'
import { fileSource } from './file.ts'
import { httpSource } from './http/http-source.ts'
import { SharedPolls } from './http/shared-polls.ts'
import { ListParser } from './list-parser.ts'
import { Recoveries } from './recovery.ts'
import type { Source } from './source.ts'

/** What every source of the process shares. */
export interface SourceOptions {
  readonly watch?: Omit<WatchFileOptions, 'reload$'>
  /** Told what is odd about a source's answer that is good all the same, once for each new answer. */
  readonly onWarnings?: (source: string, service: ServiceSpec, warnings: readonly Issue[]) => void
}

interface SharedParts extends SourceOptions {
  /** The members that a source had before it was opened, as far as they still fit their service. */
  readonly known: BackendSet['backends']
  readonly parser: ListParser
  readonly consulWatches: ConsulWatches
  readonly dnsLookups: Lookups
  readonly dnsRecoveries: Recoveries
  readonly httpPolls: SharedPolls
}

type Maker<Kind extends SourceSpec['kind']> = (
  spec: SourceSpec & { readonly kind: Kind },
  service: ServiceSpec,
  shared: SharedParts,
) => Source

/** Every kind of source. A new one is a file beside this one and a line here. */
const SOURCES: { readonly [Kind in SourceSpec['kind']]: Maker<Kind> } = {
  consul: (spec, service, { consulWatches, onWarnings, known }) =>
    consulSource(spec, service, {
      watches: consulWatches,
      known,
      ...(onWarnings !== undefined && { onWarnings: (warnings) => onWarnings(sourceName(spec), service, warnings) }),
    }),
  dns: (spec, service, shared) => dnsSource(spec, service, forDns(spec, service, shared)),
  dns_srv: (spec, service, shared) => dnsSource(spec, service, forDns(spec, service, shared)),
  file: (spec, service, { watch, onWarnings, parser }) =>
    fileSource(spec, service, {
      parser,
      ...(watch !== undefined && { watch }),
      ...(onWarnings !== undefined && { onWarnings: (warnings) => onWarnings(sourceName(spec), service, warnings) }),
    }),
  http: (spec, service, { onWarnings, parser, httpPolls, known }) =>
    httpSource(spec, service, {
      known,
      looks$: httpPolls.looks(spec),
      parser,
      ...(onWarnings !== undefined && { onWarnings: (warnings) => onWarnings(sourceName(spec), service, warnings) }),
    }),
}

function forDns(
  spec: DnsSrvSourceSpec | DnsSourceSpec,
  service: ServiceSpec,
  { dnsLookups, dnsRecoveries, onWarnings }: SharedParts,
): DnsSourceOptions {
  return {
    lookups: dnsLookups,
    recovery: dnsRecoveries.of(JSON.stringify(spec.servers ?? [])),
    ...(onWarnings !== undefined && { onWarnings: (warnings) => onWarnings(sourceName(spec), service, warnings) }),
  }
}

/** How registries are asked. */
export interface OpenRegistries {
  /** Opens the source that a spec asks for. */
  readonly source: (spec: SourceSpec, service: ServiceSpec, known?: BackendSet['backends']) => Observable<SourceEvent>
  /** The names of all services. */
  readonly names: (instances: CatalogSpec['instances']) => Observable<CatalogEvent<ReadonlySet<string>>>
  /** What the instances of a service say of it under a prefix. */
  readonly announcements: (instances: ConsulSourceSpec, prefix: string) => Observable<CatalogEvent<Announcement>>
}

/** Gives a function that opens the source that a spec asks for. */
export function openSourceWith(options: SourceOptions = {}): OpenRegistries['source'] {
  return openRegistriesWith(options).source
}

/** The same, and catalogs over the same connections. */
export function openRegistriesWith(options: SourceOptions = {}): OpenRegistries {
  const shared: Omit<SharedParts, 'known'> = {
    ...options,
    parser: new ListParser(),
    consulWatches: new ConsulWatches(),
    dnsLookups: new Lookups(),
    dnsRecoveries: new Recoveries(),
    httpPolls: new SharedPolls(),
  }
  // The kind says which specs the maker takes; TypeScript does not follow that through a table.
  const makerOf = (spec: SourceSpec) => SOURCES[spec.kind] as Maker<SourceSpec['kind']>
  return {
    source: (spec, service, known = new Map()) =>
      makerOf(spec)(spec, service, { ...shared, known: fitting(known, service) }).watch(),
    names: (instances) => consulNames(instances, shared.consulWatches),
    announcements: (instances, prefix) => consulAnnouncements(instances, prefix, shared.consulWatches),
  }
}

function fitting(known: BackendSet['backends'], service: ServiceSpec): BackendSet['backends'] {
  return new Map([...known].filter(([, backend]) => checkBackend(backend, service).every(({ severity }) => severity !== 'error')))
}
