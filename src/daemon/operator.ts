import { BehaviorSubject, type Observable } from 'rxjs'
import type { OperatorWords } from '../model/admin-state.ts'
import { type Changed, differing, expire, nextExpiry, type OperatorVerb, type SpokenOf, sayAll } from '../model/operator-words.ts'
import type { KeptOrigin } from '../store/kept-file.ts'
import type { WordsStore } from '../store/words.ts'
import { alarmAt } from './alarm.ts'

export interface OperatorOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Told of the words that are other ones than before, and whether that is because they have run out. */
  readonly onChange: (changes: readonly Changed[], ranOut: boolean) => void
}

/** What the operator says to a running daemon: in force at once, kept on disk, and gone when it has run out. */
export class Operator implements Disposable {
  readonly #store: WordsStore
  readonly #options: OperatorOptions
  readonly #words$: BehaviorSubject<OperatorWords>
  #timer: NodeJS.Timeout | undefined

  constructor(store: WordsStore, options: OperatorOptions) {
    this.#store = store
    this.#options = options
    this.#words$ = new BehaviorSubject(store.words)
    this.#expire()
  }

  get words(): OperatorWords {
    return this.#words$.value
  }

  /** The words in force, now and at each change. */
  get words$(): Observable<OperatorWords> {
    return this.#words$
  }

  /** Says the same of several backends. Resolves when it is on disk, or could not be written there (`kept` is false then). */
  async say(about: Iterable<SpokenOf>, verbFor: (one: SpokenOf) => OperatorVerb): Promise<{ changed: Changed[]; kept: boolean }> {
    const now = this.#options.now()
    const changed = this.#take(sayAll(this.words, about, verbFor, now), false)
    return { changed, kept: await this.#store.flush() }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#words$.complete()
  }

  #expire(): void {
    this.#take(expire(this.words, this.#options.now()), true)
  }

  #take(words: OperatorWords, ranOut: boolean): Changed[] {
    const changed = [...differing(this.words, words)]
    if (changed.length > 0) {
      this.#store.replace(words)
      // First the cause, then what comes of it.
      this.#options.onChange(changed, ranOut)
      this.#words$.next(words)
    }
    clearTimeout(this.#timer)
    const next = nextExpiry(words)
    if (next === undefined) return changed
    this.#timer = alarmAt(next, this.#options.now(), () => this.#expire())
    return changed
  }
}

/** What of the words of an earlier process is lost; undefined where nothing is. */
export function wordsSentence({
  origin,
  spoilt,
  path,
}: Pick<WordsStore, 'spoilt' | 'path'> & { origin: KeptOrigin }): string | undefined {
  const cure = 'look at `pointsman status` and say again what is missing'
  if (origin.kind === 'corrupt') {
    const aside = origin.setAside === undefined ? '' : ` The unreadable file is now ${origin.setAside}.`
    return `The operator's words cannot be read (${origin.reason}): nothing is drained or in maintenance any more; ${cure}.${aside}`
  }
  if (spoilt.length === 0) return undefined
  const lines = spoilt.length === 1 ? `Line ${spoilt[0]}` : `Lines ${spoilt.join(', ')}`
  return `${lines} of ${path} cannot be understood, so that a word of the operator is lost: ${cure}.`
}
