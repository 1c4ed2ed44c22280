import { type BackendContext, type BackendListResult, parseBackendList } from '../document/backend-list.ts'
import { type EndpointListResult, parseEndpointList } from '../document/endpoint-list.ts'

export interface ListSource {
  /** What the list is called in messages. */
  readonly path: string
  readonly bytes: Uint8Array
}

/** What a list in each format is read to. */
export interface ListResults {
  readonly backends: BackendListResult
  readonly endpoints: EndpointListResult
}

export type ListFormat = keyof ListResults

const PARSERS: { readonly [Format in ListFormat]: (source: ListSource, service: BackendContext) => ListResults[Format] } = {
  backends: parseBackendList,
  endpoints: parseEndpointList,
}

export function parseList<Format extends ListFormat>(
  format: Format,
  source: ListSource,
  service: BackendContext,
): ListResults[Format] {
  return PARSERS[format](source, service)
}
