import { type ConsulSourceSpec, consulPlace } from './consul-source-spec.ts'
import { type DnsSourceSpec, type DnsSrvSourceSpec, dnsPlace } from './dns-source-spec.ts'
import { type HttpSourceSpec, shownUrl } from './http-source-spec.ts'

/** A YAML or JSON file with a list of backends. */
export interface FileSourceSpec {
  readonly kind: 'file'
  /** Absolute. */
  readonly path: string
}

/** Where the members of a service come from. A new kind is one file in src/sources, one in src/config/source-kinds, and one member here. */
export type SourceSpec = FileSourceSpec | ConsulSourceSpec | HttpSourceSpec | DnsSrvSourceSpec | DnsSourceSpec

/** What a person calls the place: a path, a name, an address; no secret is in it. */
const PLACES: { readonly [Kind in SourceSpec['kind']]: (spec: SourceSpec & { readonly kind: Kind }) => string } = {
  consul: consulPlace,
  dns: dnsPlace,
  dns_srv: dnsPlace,
  file: ({ path }) => path,
  http: shownUrl,
}

/** Name of a source for logs, metrics and provenance, unique among the sources of a service: `file /etc/pointsman/web.yaml`. */
export function sourceName(spec: SourceSpec): string {
  // The kind says which specs the function takes; TypeScript does not follow that through a table.
  const placeOf = PLACES[spec.kind] as (spec: SourceSpec) => string
  return `${spec.kind} ${placeOf(spec)}`
}

/**
 * What a source is asked for, without how (token, certificates, pace, patience): two with the same text name the same members. Not for
 * people: a secret may be in it.
 */
export function sourceQuestion(spec: SourceSpec): string {
  const { url, families, search }: { url?: unknown; families?: unknown; search?: unknown } = spec as object
  return JSON.stringify([sourceName(spec), url, families, search])
}
