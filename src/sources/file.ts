import { connect, distinctUntilChanged, filter, map, merge, type Observable, of, scan, startWith } from 'rxjs'
import type { BackendListResult } from '../document/backend-list.ts'
import { type Issue, issuesError } from '../document/issue.ts'
import type { ErrorCode } from '../errors.ts'
import { type Backend, sameBackends } from '../model/backend.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { SourceEvent, SourceFailure } from '../model/source-event.ts'
import { type FileSourceSpec, sourceName } from '../model/source-spec.ts'
import { type FileLook, type FileObservation, lookAtFile, type WatchFileOptions } from '../watch/watch-file.ts'
import { afterFailure } from './after-failure.ts'
import { ListParser } from './list-parser.ts'
import { newest } from './newest.ts'
import type { Source } from './source.ts'

export interface FileSourceOptions {
  /** Shared, so that many large lists do not start many workers. */
  readonly parser?: ListParser
  readonly watch?: WatchFileOptions
  /** Told what is odd about a list that is good all the same, once for each new content. */
  readonly onWarnings?: (warnings: readonly Issue[]) => void
}

/**
 * A file with a list of backends (YAML or JSON). A file that is half-written, bad or gone is an outage: the last good list
 * stays. An empty list is an answer.
 */
export function fileSource(spec: FileSourceSpec, service: ServiceSpec, options: FileSourceOptions = {}): Source {
  const id = sourceName(spec)
  const { watch = {}, parser = new ListParser(), onWarnings = () => {} } = options
  const read = (observation: FileObservation): Observable<ListReading> => {
    if (observation.kind !== 'content') return of(withoutContent(observation, spec))
    const { bytes, at } = observation
    return parser.parse('backends', { path: spec.path, bytes }, service).pipe(
      map((result) => {
        if (result.ok && result.warnings.length > 0) onWarnings(result.warnings)
        return readingOf(result, at)
      }),
    )
  }
  return {
    id,
    watch: () => lookAtFile(spec.path, watch).pipe(readWith(read), changesOfKnowledge(id)),
  }
}

/** One look at the list. */
export type ListReading =
  | { readonly ok: true; readonly backends: ReadonlyMap<DestinationKey, Backend>; readonly at: number }
  | { readonly ok: false; readonly failure: SourceFailure }

/** The next word of a source after one more look; the same object where there is nothing new to say. */
export function afterReading(last: SourceEvent, reading: ListReading, origin: string): SourceEvent {
  if (reading.ok) {
    if (last.kind === 'fresh' && sameBackends(last.set.backends, reading.backends)) return confirmed(last, reading.at)
    return { kind: 'fresh', set: { backends: reading.backends, origin, trust: 'fresh', at: reading.at } }
  }
  return afterFailure(last, reading.failure)
}

/** A good list says the same again; nothing is said of one that is not good. */
export function confirmed(last: SourceEvent, at: number): SourceEvent {
  return last.kind === 'fresh' ? { kind: 'fresh', set: { ...last.set, at } } : last
}

/** What a look has come to: a list that was read, or the word that the one of that revision is still there. */
type Outcome = { readonly revision: number } & (
  | { readonly kind: 'read'; readonly reading: ListReading }
  | { readonly kind: 'unchanged'; readonly at: number }
)

/** Reads what is new; that nothing is new must not push aside something that still waits to be read. */
function readWith(read: (observation: FileObservation) => Observable<ListReading>) {
  return (looks$: Observable<FileLook>): Observable<Outcome> =>
    looks$.pipe(
      connect((shared$) => {
        const outcomes = (look: Exclude<FileLook, { kind: 'unchanged' }>) =>
          read(look).pipe(map((reading): Outcome => ({ kind: 'read', revision: look.revision, reading })))
        const isNews = (look: FileLook) => look.kind !== 'unchanged'
        const isOld = (look: FileLook) => look.kind === 'unchanged'
        return merge(shared$.pipe(filter(isNews), newest(outcomes)), shared$.pipe(filter(isOld)))
      }),
    )
}

function changesOfKnowledge(origin: string) {
  const nothing: SourceEvent = { kind: 'pending' }
  const after = (last: { readonly revision: number; readonly event: SourceEvent }, outcome: Outcome) => {
    const { revision } = outcome
    if (outcome.kind === 'read') return { revision, event: afterReading(last.event, outcome.reading, origin) }
    return revision === last.revision ? { revision, event: confirmed(last.event, outcome.at) } : last
  }
  return (outcomes$: Observable<Outcome>): Observable<SourceEvent> =>
    outcomes$.pipe(
      scan(after, { revision: 0, event: nothing }),
      map(({ event }) => event),
      startWith(nothing),
      distinctUntilChanged(),
    )
}

function readingOf(result: BackendListResult, at: number): ListReading {
  if (result.ok) return { ok: true, backends: result.backends, at }
  return failed('SOURCE_INVALID', issuesError('SOURCE_INVALID', result.issues).message, at)
}

function withoutContent(observation: Exclude<FileObservation, { kind: 'content' }>, { path }: FileSourceSpec): ListReading {
  const { at } = observation
  if (observation.kind === 'missing') {
    return failed('SOURCE_UNREADABLE', `${path}: there is no such file; create it with a list of backends ([] for none)`, at)
  }
  return failed('SOURCE_UNREADABLE', issuesError('SOURCE_UNREADABLE', [observation.issue]).message, at)
}

function failed(code: ErrorCode, message: string, at: number): ListReading {
  return { ok: false, failure: { code, message, at } }
}
