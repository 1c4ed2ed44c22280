import { Observable, ReplaySubject, share } from 'rxjs'
import { currentBuild } from '../../build.ts'
import type { HttpSourceSpec } from '../../model/http-source-spec.ts'
import { NameLookups } from '../name-lookups.ts'
import { type Attempt, Recoveries } from '../recovery.ts'
import { exchange, type HttpAnswer, type HttpClient, type ListContent } from './exchange.ts'
import { Gate } from './gate.ts'
import { type HttpLook, poll } from './poll.ts'
import { serverOf } from './redirect.ts'
import { connectionTrouble, unreadable } from './trouble.ts'

/** Requests to one server at a time. */
const WIDTH = 8

/** The requests of the process: services that ask for the same list in the same way share one. */
export class SharedPolls {
  readonly #polls = new Map<string, Observable<HttpLook>>()
  readonly #gate = new Gate(WIDTH)
  readonly #recoveries = new Recoveries()
  readonly #client: HttpClient = { userAgent: `pointsman/${currentBuild().version}`, lookup: new NameLookups().lookup }

  /** What the requests find; the last look at once where there was one. The requests end with the last subscriber. */
  looks(spec: HttpSourceSpec): Observable<HttpLook> {
    const key = JSON.stringify(spec)
    const known = this.#polls.get(key)
    if (known !== undefined) return known
    const server = serverOf(new URL(spec.url))
    const ask = (content: ListContent | undefined, attempt: Attempt) => {
      const request$ = this.#ask(spec, content)
      // Behind those that hang it would not be asked; there are few of its kind.
      return attempt === 'beside' ? request$ : this.#gate.pass(server, request$)
    }
    const looks$ = poll(spec, ask, { recovery: this.#recoveries.of(server) }).pipe(
      share({ connector: () => new ReplaySubject(1) }),
    )
    this.#polls.set(key, looks$)
    return looks$
  }

  #ask(spec: HttpSourceSpec, known: ListContent | undefined): Observable<HttpAnswer> {
    return new Observable((subscriber) => {
      const controller = new AbortController()
      let late = false
      const timer = setTimeout(() => {
        late = true
        controller.abort()
      }, spec.timeout)
      subscriber.add(() => {
        clearTimeout(timer)
        controller.abort()
      })
      const answered = (answer: HttpAnswer) => {
        subscriber.next(late ? tooLate(spec) : answer)
        subscriber.complete()
      }
      // Whatever else may go wrong is an outage too, and the next request is made all the same.
      const failed = (error: unknown) => answered({ kind: 'trouble', trouble: connectionTrouble(error), floor: 0 })
      exchange(spec, known, this.#client, controller.signal).then(answered, failed)
    })
  }
}

function tooLate({ timeout }: HttpSourceSpec): HttpAnswer {
  const trouble = unreadable(`there is no whole answer within ${timeout} ms`, 'look at the server, or write a longer timeout')
  return { kind: 'trouble', trouble, floor: 0 }
}
