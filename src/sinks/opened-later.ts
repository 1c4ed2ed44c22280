import { PointsmanError } from '../errors.ts'
import { retryDelay } from './ipvs/backoff.ts'

/** A sink that is not opened before somebody needs it: what it works with may not be there, and need not be. */
export interface SinkToOpen<S> {
  /** Something that an earlier process made may be in the kernel, so that it is opened although nobody asks for anything. */
  readonly usedBefore: boolean
  /** Rejects where it cannot be had. What it works with belongs into `parts`, which end with it, and with a try that fails. */
  open(parts: AsyncDisposableStack): Promise<S>
  /** Called when nothing of ours is left in the kernel. */
  emptied?(): Promise<void>
}

/** Why a sink could do nothing. */
export interface Standstill {
  readonly code: string
  readonly message: string
  /** Milliseconds since the epoch of the next try. */
  readonly retryAt: number
  /** It is still at work: what comes of it is not known yet. */
  readonly late?: true
}

/** What came of it, or why nothing did. */
type Result<T> = { readonly done: T } | { readonly standstill: Standstill }

/** Milliseconds. */
const LONGEST_PATIENCE = 60_000
const LOOK_AGAIN = 1_000
/** A sink that was slow is given more time for so long: beyond the usual `resync_interval`, for it is reading everything that takes long. */
const SLOW_FOR = 900_000

/** What work tells of itself: a sink catches errors of the kernel, and goes on. */
export interface Worked {
  readonly failed: readonly { readonly code: string }[]
}

interface Disturbable extends AsyncDisposable {
  onDisturbed(listener: () => void): () => void
  /** Resolves once it writes nothing by itself any more; absent: it never does. */
  settled?(): Promise<void>
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
  readonly #parts = new AsyncDisposableStack()
  #sink: S | undefined
  #standstill: Standstill | undefined
  #failures = 0
  /** How often everything was to be read, and which of these was done last: at first, and when something broke off, nobody knows what the kernel holds. */
  #toRead = 1
  #read = 0
  #patience: number
  /** When it last needed more than the usual patience. */
  #slowAt = 0
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

  /** What a pass is to read of this sink, asked once a pass; it owes it until a `run` with that scope has ended. */
  scopeOf(scope: 'changes' | 'full'): 'changes' | 'full' {
    if (scope === 'full') this.#toRead += 1
    return this.#read < this.#toRead ? 'full' : 'changes'
  }

  /** Lets the sink do something, opened where it is not; gives why that was not possible. `scope` says what the work reads, as scopeOf said. */
  async run<T extends Worked>(now: number, work: (sink: S) => Promise<T>, scope?: 'changes' | 'full'): Promise<Result<T>> {
    if (this.#late !== undefined) return { standstill: lateAt(now) }
    if (this.#standstill !== undefined && now < this.#standstill.retryAt) return { standstill: this.#standstill }
    const began = performance.now()
    const working = this.#work(now, work, scope)
    const result = await within(this.#patienceAt(began), working)
    if (result !== undefined) {
      this.#learn(result, began)
      return result
    }
    this.#late = working.then((outcome) => {
      this.#late = undefined
      this.#learn(outcome, began)
    })
    return { standstill: lateAt(now) }
  }

  /** The next `run` does not wait for its time, but for what is still under way. */
  async readyAtOnce(): Promise<void> {
    await this.#late
    this.#standstill = undefined
  }

  /** Resolves once what a pass did not wait for, and what the sink does by itself, is at its end. */
  async settled(): Promise<void> {
    await this.#late
    await this.#sink?.settled?.()
  }

  async emptied(): Promise<void> {
    this.#toRead += 1
    await this.#toOpen.emptied?.()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sink = undefined
    await this.#parts.disposeAsync()
  }

  #patienceAt(now: number): number {
    return now - this.#slowAt > SLOW_FOR ? this.#options.patience : this.#patience
  }

  /** A table that takes so long once takes so long again; a kernel that hangs is not waited for the longer. */
  #learn(outcome: Result<Worked>, began: number): void {
    const took = performance.now() - began
    if (took <= this.#options.patience) return
    const isSlow = 'done' in outcome && outcome.done.failed.every(({ code }) => code !== 'KERNEL_STUCK')
    this.#patience = isSlow ? Math.min(LONGEST_PATIENCE, 2 * took) : this.#options.patience
    this.#slowAt = performance.now()
  }

  async #work<T>(now: number, work: (sink: S) => Promise<T>, scope?: 'changes' | 'full'): Promise<Result<T>> {
    // What is asked for while this is under way, for somebody disturbed the kernel, may come too late for it.
    const toRead = this.#toRead
    try {
      const done = await work(await this.#opened())
      this.#standstill = undefined
      this.#failures = 0
      if (scope === 'full') this.#read = toRead
      return { done }
    } catch (error) {
      this.#failures += 1
      this.#toRead += 1
      this.#standstill = { ...wordsOf(error), retryAt: now + retryDelay(this.#failures, this.#options.random()) }
      return { standstill: this.#standstill }
    }
  }

  async #opened(): Promise<S> {
    if (this.#sink !== undefined) return this.#sink
    await using attempt = new AsyncDisposableStack()
    const sink = attempt.use(await this.#toOpen.open(attempt))
    // One that is heard nothing of is tried again, as any that cannot be had.
    sink.onDisturbed(this.#options.onDisturbed)
    if (this.#parts.disposed) throw new Error('it came after the end')
    this.#parts.use(attempt.move())
    this.#sink = sink
    return sink
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
  return { code: 'KERNEL_STUCK', message, retryAt: now + LOOK_AGAIN, late: true }
}

/** A defect in one sink must not stop the others either. */
function wordsOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof PointsmanError) return { code: error.code, message: error.message }
  return { code: 'INTERNAL', message: `Unexpected: ${error instanceof Error ? error.message : String(error)}.` }
}
