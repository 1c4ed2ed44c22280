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

/** What came of it, or why nothing did. */
type Result<T> = { readonly done: T } | { readonly standstill: Standstill }

/** Milliseconds. */
const LONGEST_PATIENCE = 60_000
const LOOK_AGAIN = 1_000

interface Disturbable extends AsyncDisposable {
  onDisturbed(listener: () => void): () => void
}

export interface OpenedLaterOptions {
  readonly onDisturbed: () => void
  /** 0 up to 1, for the jitter of retries. */
  readonly random: () => number
  /** Milliseconds for which a pass waits for the sink before it goes on without it; more once it was seen to need more. */
  readonly patience: number
}

/**
 * A sink that is opened once it is needed. What stops all of it is tried again with back-off, and meanwhile not at every pass; what takes long
 * goes on beside the passes.
 */
export class OpenedLater<S extends Disturbable> implements AsyncDisposable {
  readonly #toOpen: SinkToOpen<S>
  readonly #options: OpenedLaterOptions
  #sink: S | undefined
  #standstill: Standstill | undefined
  #failures = 0
  /** Nobody knows what the kernel holds: it was not read yet, or something broke off. */
  #isUnread = true
  #patience: number
  /** What a pass did not wait for. */
  #late: Promise<unknown> | undefined

  constructor(toOpen: SinkToOpen<S>, options: OpenedLaterOptions) {
    this.#toOpen = toOpen
    this.#options = options
    this.#patience = options.patience
  }

  /** Whether it has to do with anything: it is open, or something is left of an earlier process. */
  get isInUse(): boolean {
    return this.#sink !== undefined || this.#toOpen.usedBefore
  }

  scopeOf(scope: 'changes' | 'full'): 'changes' | 'full' {
    return this.#isUnread ? 'full' : scope
  }

  /** Lets the sink do something, opened where it is not; gives why that was not possible. */
  async run<T>(now: number, work: (sink: S) => Promise<T>): Promise<Result<T>> {
    if (this.#late !== undefined) return { standstill: lateAt(now) }
    if (this.#standstill !== undefined && now < this.#standstill.retryAt) return { standstill: this.#standstill }
    const began = performance.now()
    const working = this.#work(now, work)
    const result = await within(this.#patience, working)
    if (result !== undefined) return result
    this.#late = working.then((outcome) => {
      this.#late = undefined
      // A table that takes so long once takes so long again.
      if ('done' in outcome) this.#patience = Math.min(LONGEST_PATIENCE, 2 * (performance.now() - began))
    })
    return { standstill: lateAt(now) }
  }

  /** The next `run` does not wait for its time, but for what is still under way. */
  async readyAtOnce(): Promise<void> {
    await this.#late
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

  async #work<T>(now: number, work: (sink: S) => Promise<T>): Promise<Result<T>> {
    try {
      const done = await work(await this.#opened())
      this.#standstill = undefined
      this.#failures = 0
      this.#isUnread = false
      return { done }
    } catch (error) {
      this.#failures += 1
      this.#isUnread = true
      this.#standstill = { ...wordsOf(error), retryAt: now + retryDelay(this.#failures, this.#options.random()) }
      return { standstill: this.#standstill }
    }
  }

  async #opened(): Promise<S> {
    if (this.#sink !== undefined) return this.#sink
    this.#sink = await this.#toOpen.open()
    this.#sink.onDisturbed(this.#options.onDisturbed)
    return this.#sink
  }
}

/** Undefined where it takes longer. */
async function within<T>(milliseconds: number, working: Promise<T>): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), milliseconds)
  try {
    return await Promise.race([working, late])
  } finally {
    clearTimeout(timer)
  }
}

function lateAt(now: number): Standstill {
  const message = 'The kernel takes long to answer; what does not need this goes on meanwhile.'
  return { code: 'KERNEL_STUCK', message, retryAt: now + LOOK_AGAIN }
}

/** A defect in one sink must not stop the others either. */
function wordsOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof PointsmanError) return { code: error.code, message: error.message }
  return { code: 'INTERNAL', message: `Unexpected: ${error instanceof Error ? error.message : String(error)}.` }
}
