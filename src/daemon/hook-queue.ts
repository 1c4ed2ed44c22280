/** What became of one run, or of one that never came to be. */
export type HookResult = 'ok' | 'failed' | 'timeout' | 'dropped'

export interface HookQueueOptions<Job> {
  /** What a job is about: two of the same never run at once, and never in another order than they came in. */
  readonly about: (job: Job) => string
  /** Rejects with a sentence where it failed; has ended, with all that belongs to it, soon after the signal aborts. */
  readonly run: (job: Job, signal: AbortSignal) => Promise<void>
  readonly onEnd: (result: HookResult, error?: unknown) => void
  /** Milliseconds that a run may take; asked at each of them. */
  readonly timeout: () => number
  /** Runs under way at a time, and jobs that may wait. */
  readonly atOnce: number
  readonly waiting: number
}

/** Runs jobs beside the work that they tell of: offering one costs nothing and never waits. */
export class HookQueue<Job> {
  readonly #options: HookQueueOptions<Job>
  /** The oldest first. */
  #jobs: Job[] = []
  readonly #busy = new Set<string>()
  readonly #stop = new AbortController()
  #idle: (() => void) | undefined

  constructor(options: HookQueueOptions<Job>) {
    this.#options = options
  }

  offer(job: Job): void {
    const { waiting, onEnd } = this.#options
    const isFull = this.#stop.signal.aborted || this.#jobs.length >= waiting
    if (isFull) onEnd('dropped')
    else this.#jobs.push(job)
    this.#next()
  }

  /** Lets what waits run for so many milliseconds, then ends what is left; resolves when nothing runs any more. */
  async close(patience: number): Promise<void> {
    const timer = setTimeout(() => {
      for (const _ of this.#jobs.splice(0)) this.#options.onEnd('dropped')
      this.#stop.abort()
    }, patience)
    if (this.#busy.size > 0)
      await new Promise<void>((resolve) => {
        this.#idle = resolve
      })
    clearTimeout(timer)
    this.#stop.abort()
  }

  #next(): void {
    const { about, atOnce } = this.#options
    while (this.#busy.size < atOnce) {
      const index = this.#jobs.findIndex((job) => !this.#busy.has(about(job)))
      const [job] = index < 0 ? [] : this.#jobs.splice(index, 1)
      if (job === undefined) break
      void this.#work(job, about(job))
    }
    if (this.#busy.size === 0) this.#idle?.()
  }

  async #work(job: Job, about: string): Promise<void> {
    this.#busy.add(about)
    const { run, onEnd, timeout } = this.#options
    const deadline = AbortSignal.timeout(timeout())
    try {
      await run(job, AbortSignal.any([deadline, this.#stop.signal]))
      onEnd('ok')
    } catch (error) {
      onEnd(deadline.aborted ? 'timeout' : 'failed', error)
    } finally {
      this.#busy.delete(about)
      this.#next()
    }
  }
}
