import type { ProbeResult } from '../../model/probe-result.ts'
import type { ProbeKind } from '../../model/probe-spec.ts'
import type { EndSignal, Errand } from '../probe.ts'
import type { ProbeTarget } from '../target.ts'
import { sharedNow } from './shared-now.ts'

/** Where a query is, which hears that its answer is not wanted any more. */
export interface QueryPlace {
  end(slot: number): void
}

/** A question to a backend on its way through the threads, until its answer. Times are milliseconds. */
export class Query {
  readonly kind: ProbeKind
  readonly target: ProbeTarget
  /** That the answer may take. */
  readonly left: number
  readonly askedAt = sharedNow()
  /** How many threads that had it have died. */
  deaths = 0
  readonly #signal: EndSignal
  readonly #errand: Errand | undefined
  readonly #resolve: (result: ProbeResult) => void
  #place: QueryPlace | undefined
  #slot = 0

  constructor(kind: ProbeKind, target: ProbeTarget, signal: EndSignal, resolve: (result: ProbeResult) => void) {
    this.kind = kind
    this.target = target
    this.#signal = signal
    this.#errand = signal.handOver?.()
    this.left = Math.ceil(this.#errand?.left ?? Number.POSITIVE_INFINITY)
    this.#resolve = resolve
    signal.addEventListener('abort', this.#abort)
  }

  /** Nobody wants the answer any more, or, where nobody else keeps it, its deadline has come. */
  get isEnded(): boolean {
    return this.#signal.aborted
  }

  /** Moment of `sharedNow` at which it is to be answered. */
  get dueAt(): number {
    return this.askedAt + this.left
  }

  takenBy(place: QueryPlace, slot: number): void {
    this.#place = place
    this.#slot = slot
  }

  /** `begun`: moment of `sharedNow` at which the backend was asked. */
  answer(result: ProbeResult, begun: number, took: number): void {
    this.#errand?.asked(Math.max(0, begun - this.askedAt), took)
    this.settle(result)
  }

  /** Without an answer of the backend. */
  settle(result: ProbeResult): void {
    this.#signal.removeEventListener('abort', this.#abort)
    this.#resolve(result)
  }

  readonly #abort = (): void => this.#place?.end(this.#slot)
}
