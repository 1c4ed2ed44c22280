import { distinctUntilChanged, map, type Observable, of, scan, startWith } from 'rxjs'
import type { EndpointListResult } from '../../document/endpoint-list.ts'
import { formatIssue, type Issue, issuesError } from '../../document/issue.ts'
import { type Backend, type BackendSet, sameBackends } from '../../model/backend.ts'
import type { DestinationKey } from '../../model/destination.ts'
import { type HttpSourceSpec, shownUrl } from '../../model/http-source-spec.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import type { SourceEvent, SourceFailure } from '../../model/source-event.ts'
import { sourceName } from '../../model/source-spec.ts'
import { afterFailure } from '../after-failure.ts'
import type { ListParser } from '../list-parser.ts'
import { newest } from '../newest.ts'
import type { Source } from '../source.ts'
import type { HttpLook } from './poll.ts'

export interface HttpSourceOptions {
  /** Looks at the list, shared by all services that ask for it. */
  readonly looks$: Observable<HttpLook>
  readonly parser: ListParser
  /** Its members from before it was opened. */
  readonly known?: BackendSet['backends']
  /** Told what is odd about a list that is good all the same, once for each new set of oddities. */
  readonly onWarnings?: (warnings: readonly Issue[]) => void
}

/** A list as one service understands it. */
export type UnderstoodList = Extract<EndpointListResult, { ok: true }>

/** One look at the list, as one service understands it. */
export type HttpReading =
  | { readonly ok: true; readonly list: UnderstoodList; readonly at: number }
  | { readonly ok: false; readonly failure: SourceFailure }

/**
 * An endpoint list that an HTTP server gives. Whatever is not a whole good list is an outage: the last good one stays. An
 * empty list is an answer.
 */
export function httpSource(spec: HttpSourceSpec, service: ServiceSpec, options: HttpSourceOptions): Source {
  const id = sourceName(spec)
  const nothing: SourceEvent = { kind: 'pending' }
  const watch = () =>
    options.looks$.pipe(
      newest(reader(spec, service, options)),
      scan((last: SourceEvent, reading: HttpReading) => afterReading(last, reading, id, options.known), nothing),
      startWith(nothing),
      distinctUntilChanged(),
    )
  return { id, watch }
}

/** Understands looks; bytes that were understood already are not parsed again, those that were not are tried again. */
function reader(spec: HttpSourceSpec, service: ServiceSpec, { parser, onWarnings = () => {} }: HttpSourceOptions) {
  const path = shownUrl(spec)
  let understood: { readonly bytes: Uint8Array; readonly list: UnderstoodList } | undefined
  let told = ''
  const tell = (warnings: readonly Issue[]) => {
    const text = warnings.map(formatIssue).join('\n')
    if (text !== told && warnings.length > 0) onWarnings(warnings)
    told = text
  }
  return (look: HttpLook): Observable<HttpReading> => {
    if (look.kind === 'failure') return of({ ok: false, failure: look.failure })
    const { bytes, at } = look
    if (understood?.bytes === bytes) return of({ ok: true, list: understood.list, at })
    return parser.parse('endpoints', { path, bytes }, service).pipe(
      map((result): HttpReading => {
        if (!result.ok) return misunderstood(result.issues, at)
        understood = { bytes, list: result }
        tell(result.warnings)
        return { ok: true, list: result, at }
      }),
    )
  }
}

function misunderstood(issues: readonly Issue[], at: number): HttpReading {
  const { message } = issuesError('SOURCE_INVALID', issues)
  return { ok: false, failure: { code: 'SOURCE_INVALID', message, at } }
}

/**
 * The next word of the source after one more look. A good list is always a word: it confirms, with the same map where it
 * says the same. A member that only unusable entries name stays as it was last known, for it is not said to have left; `known` are those
 * from before the first word.
 */
export function afterReading(
  last: SourceEvent,
  reading: HttpReading,
  origin: string,
  known?: BackendSet['backends'],
): SourceEvent {
  if (!reading.ok) return afterFailure(last, reading.failure)
  const { list, at } = reading
  const before = last.kind === 'pending' ? undefined : last.set.backends
  const now = withDoubtful(list, before ?? known)
  const backends = before !== undefined && sameBackends(before, now) ? before : now
  const { quarantined } = list
  const set: BackendSet = { backends, origin, trust: 'fresh', at, ...(quarantined > 0 && { quarantined }) }
  return { kind: 'fresh', set }
}

function withDoubtful(
  { backends, inDoubt }: UnderstoodList,
  before: ReadonlyMap<DestinationKey, Backend> | undefined,
): ReadonlyMap<DestinationKey, Backend> {
  const kept = inDoubt.flatMap((key): [DestinationKey, Backend][] => {
    const backend = before?.get(key)
    return backend === undefined ? [] : [[key, backend]]
  })
  return kept.length === 0 ? backends : new Map([...backends, ...kept])
}
