import { Observable, of, share, tap } from 'rxjs'
import type { DnsNetwork } from '../../model/dns-source-spec.ts'
import { type Attempt, SCOUT_GAP } from '../recovery.ts'
import type { Question } from './message.ts'
import { type Answer, Resolver } from './resolver.ts'

export type Resolve = (question: Question, network: DnsNetwork, signal: AbortSignal) => Promise<Answer>

interface Running {
  readonly answer$: Observable<Answer>
  /** Milliseconds on the clock of performance.now(). */
  readonly begun: number
}

interface Entry {
  running?: Running
  last?: Answer
}

/** Entries above which answers that nobody has asked for lately are forgotten. */
const MANY = 1_000
/** Milliseconds. */
const LONG_AGO = 600_000

/**
 * The questions of every source of the process. What many services ask for is asked once: who comes while a question is
 * under way waits for its answer, and who comes later takes the last one where that is news to him.
 */
export class Lookups {
  readonly #resolve: Resolve
  readonly #entries = new Map<string, Entry>()
  #sweepAt = MANY

  constructor(resolve?: Resolve) {
    const resolver = new Resolver()
    this.#resolve = resolve ?? ((question, network, signal) => resolver.resolve(question, network, signal))
  }

  /**
   * One answer, then the end; never errors. The last one is given where it is news. Unsubscribing closes the sockets unless
   * another one waits for the same answer. Whoever does not ask for the first time does not wait for a question that may hang.
   */
  ask(
    question: Question,
    network: DnsNetwork,
    isNews: (last: Answer) => boolean,
    attempt: Attempt = 'first',
  ): Observable<Answer> {
    const { servers, search, transport, timeout } = network
    const key = JSON.stringify([question.name, question.type, servers, search, transport, timeout])
    const entry = this.#entries.get(key) ?? this.#enter(key)
    const { running } = entry
    const mayHang = attempt !== 'first' && running !== undefined && performance.now() - running.begun >= SCOUT_GAP
    if (running !== undefined && !mayHang) return running.answer$
    if (entry.last !== undefined && isNews(entry.last)) return of(entry.last)
    const over = () => {
      if (entry.running?.answer$ === answer$) delete entry.running
    }
    const heard = (answer: Answer) => {
      entry.last = answer
      over()
    }
    const answer$ = this.#start(question, network).pipe(tap({ next: heard, finalize: over }), share())
    entry.running = { answer$, begun: performance.now() }
    return answer$
  }

  #enter(key: string): Entry {
    if (this.#entries.size >= this.#sweepAt) this.#sweep()
    const entry: Entry = {}
    this.#entries.set(key, entry)
    return entry
  }

  #sweep(): void {
    const newest = Math.max(...[...this.#entries.values()].map(({ last }) => last?.at ?? 0))
    for (const [key, { running, last }] of this.#entries) {
      if (running === undefined && (last === undefined || last.at < newest - LONG_AGO)) this.#entries.delete(key)
    }
    this.#sweepAt = Math.max(MANY, 2 * this.#entries.size)
  }

  #start(question: Question, network: DnsNetwork): Observable<Answer> {
    return new Observable((subscriber) => {
      const abort = new AbortController()
      this.#resolve(question, network, abort.signal).then(
        (answer) => {
          subscriber.next(answer)
          subscriber.complete()
        },
        (error) => subscriber.error(error),
      )
      return () => abort.abort()
    })
  }
}
