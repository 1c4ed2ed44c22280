import { Observable, type SchedulerLike, type Subscription, timer } from 'rxjs'
import { issuesError } from '../../document/issue.ts'
import { type HttpSourceSpec, shownUrl } from '../../model/http-source-spec.ts'
import type { SourceFailure } from '../../model/source-event.ts'
import { steadyScheduler } from '../../steady-scheduler.ts'
import type { Attempt, Recovery } from '../recovery.ts'
import type { HttpAnswer, ListContent } from './exchange.ts'
import type { Trouble } from './trouble.ts'

/** What one request found. The bytes are the same object as before where the server says the same. */
export type HttpLook =
  | { readonly kind: 'list'; readonly bytes: Uint8Array; readonly at: number }
  | { readonly kind: 'failure'; readonly failure: SourceFailure }

/** Asks once and answers once, with `known` itself where that is still the list; unsubscribing gives the request up. */
export type Ask = (known: ListContent | undefined, attempt: Attempt) => Observable<HttpAnswer>

export interface PollOptions {
  readonly scheduler?: SchedulerLike
  /** From 0 to 1. */
  readonly random?: () => number
  /** Shared by all who ask the same server; absent: nobody else does. */
  readonly recovery?: Recovery
}

/** Milliseconds. */
const FIRST_RETRY = 1_000

/** However long a server asks to wait (max-age, Retry-After), it is asked again after this or after the interval, whichever is longer. */
const LONGEST_WAIT = 300_000

/** How often the whole list is asked for although its validators say that it is known: a validator may be wrong for ever. */
const FULL_READ = 600_000

/** What is remembered from one request to the next. */
export interface Polled {
  /** Failures since the last good answer. */
  readonly failures: number
  readonly content?: ListContent
  /** When `content` came as a whole, milliseconds since the epoch. */
  readonly readAt: number
}

export const NEVER_POLLED: Polled = { failures: 0, readAt: 0 }

/** What the server need not send again. */
export function knownAt({ content, readAt }: Polled, now: number): ListContent | undefined {
  return now - readAt >= FULL_READ ? undefined : content
}

export function afterAnswer(polled: Polled, answer: HttpAnswer, now: number): Polled {
  if (answer.kind === 'trouble') return { ...polled, failures: polled.failures + 1 }
  const { content: old } = polled
  const { content } = answer
  if (content === old) return { ...polled, failures: 0 }
  // The same bytes stay the same object, so that nobody parses them again.
  const same = old !== undefined && Buffer.compare(old.bytes, content.bytes) === 0
  return { failures: 0, content: same ? { ...content, bytes: old.bytes } : content, readAt: now }
}

/** Milliseconds until the next request; `random` is from 0 to 1 and spreads it by a tenth to both sides. */
export function nextWait({ failures }: Polled, { floor }: HttpAnswer, interval: number, random: number): number {
  const usual = failures === 0 ? interval : Math.min(interval, FIRST_RETRY * 2 ** Math.min(failures - 1, 20))
  const asked = Math.min(floor, Math.max(interval, LONGEST_WAIT))
  return Math.round(Math.max(usual * (0.9 + random * 0.2), asked))
}

/** Asks again and again for ever; never errors, never completes by itself. */
export function poll(spec: HttpSourceSpec, ask: Ask, options: PollOptions = {}): Observable<HttpLook> {
  const { scheduler = steadyScheduler, random = Math.random, recovery } = options
  return new Observable((subscriber) => {
    let polled = NEVER_POLLED
    let waiting: Subscription | undefined
    let asking: Subscription | undefined
    const look = (among?: Recovery) => {
      const known = knownAt(polled, scheduler.now())
      const answer$ = among?.ask((attempt) => ask(known, attempt)) ?? ask(known, 'first')
      asking = answer$.subscribe((answer) => {
        const now = scheduler.now()
        const { failures } = polled
        polled = afterAnswer(polled, answer, now)
        const wait = nextWait(polled, answer, spec.interval, random())
        // A server that says when to come again is not asked ahead of that time.
        const scouts = polled.failures > 0 && answer.floor === 0 ? recovery : undefined
        const due$: Observable<unknown> = scouts?.after(wait) ?? timer(wait, scheduler)
        waiting = due$.subscribe(() => look(scouts))
        if (failures > 0 && polled.failures === 0) recovery?.wake()
        subscriber.next(lookOf(answer, polled, spec, now))
      })
    }
    subscriber.add(() => {
      waiting?.unsubscribe()
      asking?.unsubscribe()
    })
    look()
  })
}

function lookOf(answer: HttpAnswer, { content }: Polled, spec: HttpSourceSpec, at: number): HttpLook {
  if (answer.kind === 'trouble') return { kind: 'failure', failure: failureOf(answer.trouble, spec, at) }
  return { kind: 'list', bytes: (content ?? answer.content).bytes, at }
}

function failureOf({ code, problem, remedy }: Trouble, spec: HttpSourceSpec, at: number): SourceFailure {
  const { message } = issuesError(code, [{ file: shownUrl(spec), path: '', problem, remedy }])
  return { code, message, at }
}
