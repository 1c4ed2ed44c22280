import { PASSED, type ProbeResult } from '../../model/probe-result.ts'
import type { ProbeKind } from '../../model/probe-spec.ts'
import type { KindNumbers } from './kind-numbers.ts'
import type { Query, QueryPlace } from './query.ts'
import { sharedNow } from './shared-now.ts'
import { type Answers, END, type Order, type Question } from './words.ts'

/** What a thread that was started is told. */
export interface StartedThread {
  post(order: Order): void
  /** Ends it at once, whatever it does. */
  kill(): void
}

/** Who is told of a thread, after the call that started it has returned. */
export interface ThreadListener {
  ready(): void
  answered(answers: Answers): void
  /** It is gone, with all that it had open. A few words that follow "ended by", without anything that was asked. */
  ended(why: string): void
}

/** Starts a thread that asks backends; throws where there can be none. */
export type StartThread = (listener: ThreadListener) => StartedThread

interface Batch {
  readonly kinds: [number, ProbeKind][]
  readonly forgotten: number[]
  readonly asked: Question[]
  readonly ended: number[]
}

/** Milliseconds that the start of a thread may take. */
const START = 30_000

/** One thread that asks backends, seen from the one that has it ask. What is asked in one turn goes to it in one message. */
export class ProbeThread implements QueryPlace {
  isReady = false
  /** Nobody is to give it questions any more. */
  isLeaving = false
  /** Questions that it has not answered. */
  busy = 0
  /** How many messages came from it. */
  heard = 0
  readonly startedAt = sharedNow()
  /** Resolves when it is gone. */
  readonly gone: Promise<void>
  readonly #kinds: KindNumbers
  readonly #told = new Set<number>()
  readonly #queries: (Query | undefined)[] = []
  readonly #free: number[] = []
  readonly #tellGone: () => void
  readonly #forgetKinds: () => void
  #thread: StartedThread | undefined
  #batch: Batch | undefined
  /** That it is to end. */
  #isTold = false
  #isOver = false
  #heardBefore = -1
  #tellEnd: ThreadListener['ended'] = () => {}

  constructor(kinds: KindNumbers) {
    this.#kinds = kinds
    const { promise, resolve } = Promise.withResolvers<void>()
    this.gone = promise
    this.#tellGone = resolve
    this.#forgetKinds = kinds.onGone((number) => {
      if (this.#told.delete(number)) this.#next.forgotten.push(number)
    })
  }

  /** `ended` is called once, also where there can be no thread. */
  start(start: StartThread, { ready, ended }: Pick<ThreadListener, 'ready' | 'ended'>): void {
    this.#tellEnd = ended
    try {
      this.#thread = start({
        ready: () => {
          this.isReady = true
          ready()
        },
        answered: (answers) => this.#answered(answers),
        ended: (why) => this.#end(why),
      })
    } catch (error) {
      const { code, name = 'itself' } = error as NodeJS.ErrnoException
      this.#end(code ?? name)
    }
  }

  take(query: Query): void {
    const slot = this.#free.pop() ?? this.#queries.length
    this.#queries[slot] = query
    this.busy += 1
    query.takenBy(this, slot)
    const { kinds, asked } = this.#next
    const kind = this.#kinds.of(query.kind)
    if (!this.#told.has(kind)) {
      this.#told.add(kind)
      kinds.push([kind, query.kind])
    }
    asked.push([slot, kind, query.left, query.target])
  }

  end(slot: number): void {
    this.#next.ended.push(slot)
  }

  /** Questions that it will not answer any more. */
  leftBehind(): Query[] {
    const left = this.#queries.filter((query) => query !== undefined)
    this.#queries.length = 0
    this.#free.length = 0
    this.busy = 0
    return left
  }

  /** It gets no more questions, answers those that it has, and ends. */
  dismiss(): void {
    this.isLeaving = true
    if (this.busy === 0) this.leave()
  }

  /** Ends it in good order, and without the answers that it owes. */
  leave(): void {
    if (this.#isTold) return
    this.#isTold = true
    this.#thread?.post(END)
  }

  /** Nothing is heard of it any more, also where it does not end at once. `why`: as ThreadListener.ended says it. */
  kill(why: string): void {
    this.#thread?.kill()
    this.#end(why)
  }

  /**
   * Whether it says nothing although an answer is overdue by so many milliseconds, for the second look in a row: where this thread itself stood still,
   * answers are still to be read at the first.
   */
  isSilent(overdue: number): boolean {
    const latest = sharedNow() - overdue
    if (!this.isReady) return this.startedAt < latest - START
    const isOverdue = this.#queries.some((query) => query !== undefined && query.dueAt < latest)
    const isSilent = isOverdue && this.heard === this.#heardBefore
    this.#heardBefore = isOverdue ? this.heard : -1
    return isSilent
  }

  #end(why: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#forgetKinds()
    this.#thread = undefined
    this.#tellGone()
    this.#tellEnd(why)
  }

  get #next(): Batch {
    if (this.#batch !== undefined) return this.#batch
    const batch: Batch = { kinds: [], forgotten: [], asked: [], ended: [] }
    this.#batch = batch
    // Behind all that is asked in this turn.
    queueMicrotask(() => {
      this.#batch = undefined
      this.#thread?.post(batch)
    })
    return batch
  }

  #answered({ passed, others }: Answers): void {
    this.heard += 1
    for (let at = 0; at < passed.length; at += 3)
      this.#answer(passed[at] as number, PASSED, passed[at + 1] as number, passed[at + 2] as number)
    for (const [slot, begun, took, result] of others) this.#answer(slot, result, begun, took)
    if (this.isLeaving && this.busy === 0) this.leave()
  }

  #answer(slot: number, result: ProbeResult, begun: number, took: number): void {
    const query = this.#queries[slot]
    if (query === undefined) return
    this.#queries[slot] = undefined
    this.#free.push(slot)
    this.busy -= 1
    query.answer(result, begun, took)
  }
}
