import { PointsmanError } from '../errors.ts'
import { retryDelay } from './ipvs/backoff.ts'

/** A sink that is not opened before somebody needs it: what it works with may not be there, and need not be. */
export interface SinkToOpen<S> {
  /** Something that an earlier process made may be in the kernel, so that it is opened although nobody asks for anything. */
  readonly usedBefore: boolean
  /** Rejects where it cannot be had. */
  open(): Promise<S>
  /** Called when nothing of ours is left in the kernel. */
  emptied?(): Promise<void>
}

/** Why a sink could do nothing. */
export interface Standstill {
  readonly code: string
  readonly message: string
  /** Milliseconds since the epoch of the next try. */
  readonly retryAt: number
}

interface Disturbable extends AsyncDisposable {
  onDisturbed(listener: () => void): () => void
}

/** A sink that is opened once it is needed. What stops all of it is tried again with back-off, and meanwhile not at every pass. */
export class OpenedLater<S extends Disturbable> implements AsyncDisposable {
  readonly #toOpen: SinkToOpen<S>
  readonly #onDisturbed: () => void
  readonly #random: () => number
  #sink: S | undefined
  #standstill: Standstill | undefined
  #failures = 0
  /** Nobody knows what the kernel holds: it was not read yet, or something broke off. */
  #isUnread = true

  constructor(toOpen: SinkToOpen<S>, onDisturbed: () => void, random: () => number) {
    this.#toOpen = toOpen
    this.#onDisturbed = onDisturbed
    this.#random = random
  }

  /** Whether it has to do with anything: it is open, or something is left of an earlier process. */
  get isInUse(): boolean {
    return this.#sink !== undefined || this.#toOpen.usedBefore
  }

  scopeOf(scope: 'changes' | 'full'): 'changes' | 'full' {
    return this.#isUnread ? 'full' : scope
  }

  /** Lets the sink do something, opened where it is not; gives why that was not possible. */
  async run<T>(now: number, work: (sink: S) => Promise<T>): Promise<{ readonly done: T } | { readonly standstill: Standstill }> {
    if (this.#standstill !== undefined && now < this.#standstill.retryAt) return { standstill: this.#standstill }
    try {
      const done = await work(await this.#opened())
      this.#standstill = undefined
      this.#failures = 0
      this.#isUnread = false
      return { done }
    } catch (error) {
      this.#failures += 1
      this.#isUnread = true
      this.#standstill = { ...wordsOf(error), retryAt: now + retryDelay(this.#failures, this.#random()) }
      return { standstill: this.#standstill }
    }
  }

  /** The next `run` does not wait. */
  tryAtOnce(): void {
    this.#standstill = undefined
  }

  async emptied(): Promise<void> {
    this.#isUnread = true
    await this.#toOpen.emptied?.()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sink?.[Symbol.asyncDispose]()
    this.#sink = undefined
  }

  async #opened(): Promise<S> {
    if (this.#sink !== undefined) return this.#sink
    this.#sink = await this.#toOpen.open()
    this.#sink.onDisturbed(this.#onDisturbed)
    return this.#sink
  }
}

/** A defect in one sink must not stop the others either. */
function wordsOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof PointsmanError) return { code: error.code, message: error.message }
  return { code: 'INTERNAL', message: `Unexpected: ${error instanceof Error ? error.message : String(error)}.` }
}
