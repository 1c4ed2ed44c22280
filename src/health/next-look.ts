import type { SchedulerLike, Subscription } from 'rxjs'

const NEVER = Number.POSITIVE_INFINITY
/** Milliseconds between two looks at what is due: each costs as much as a probe, so those that are close together begin together. */
const GRAIN = 10

/** One timer for whatever comes next: thousands a second would pay for theirs with time. */
export class NextLook {
  readonly #scheduler: SchedulerLike
  readonly #look: (now: number) => void
  #timer: Subscription | undefined
  #timerAt = NEVER
  #lookedAt = -NEVER

  constructor(scheduler: SchedulerLike, look: (now: number) => void) {
    this.#scheduler = scheduler
    this.#look = look
  }

  /** Looks when something is due; infinity: nothing is. A timer that comes too early stays. */
  plan(due: number, now: number): void {
    const at = Math.max(due, this.#lookedAt + GRAIN)
    if (at !== NEVER && this.#timerAt <= at) return
    this.#timer?.unsubscribe()
    this.#timerAt = at
    this.#timer = at === NEVER ? undefined : this.#scheduler.schedule(() => this.#awake(), Math.max(0, at - now))
  }

  #awake(): void {
    this.#timerAt = NEVER
    const now = this.#scheduler.now()
    this.#lookedAt = now
    this.#look(now)
  }
}
