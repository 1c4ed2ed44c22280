import { filter, map, type Observable, scan } from 'rxjs'
import type { Announcement, CatalogEvent } from '../../model/catalog-event.ts'
import type { ConsulSourceSpec } from '../../model/consul-source-spec.ts'
import { announcementOf } from './announcement.ts'
import { scopedQuery } from './query.ts'
import type { Heard } from './query-reader.ts'
import type { ConsulWatches } from './watches.ts'

/**
 * The names of all services, by blocking queries that count among the questions at once
 * (https://developer.hashicorp.com/consul/api-docs/catalog#list-services). Never errors, never completes by itself.
 */
export function consulNames(
  access: Omit<ConsulSourceSpec, 'service'>,
  watches: ConsulWatches,
): Observable<CatalogEvent<ReadonlySet<string>>> {
  return watches.ask(scopedQuery('/v1/catalog/services', access), access, readNames).pipe(map(toEvent))
}

/** What the instances of a service say of it. The question is the one that the members are asked for by, and is asked once. */
export function consulAnnouncements(
  spec: ConsulSourceSpec,
  prefix: string,
  watches: ConsulWatches,
): Observable<CatalogEvent<Announcement>> {
  return watches.watch(spec).pipe(
    scan((before: CatalogEvent<Announcement> | undefined, heard): CatalogEvent<Announcement> | undefined => {
      const event = toEvent(heard)
      if (event.kind === 'failure') return event
      const previous = before?.kind === 'answer' ? before.content : undefined
      const content = announcementOf(event.content, prefix, previous)
      return content && { ...event, content }
    }, undefined),
    filter((event) => event !== undefined),
  )
}

function readNames(json: unknown): ReadonlySet<string> | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined
  return new Set(Object.keys(json).sort())
}

function toEvent<Content>(heard: Heard<Content>): CatalogEvent<Content> {
  if (heard.kind === 'answer') {
    const { content, trust, at } = heard.reading
    return { kind: 'answer', content, trust, at }
  }
  const { code, message } = heard.fault
  return { kind: 'failure', failure: { code, message, at: heard.at } }
}
