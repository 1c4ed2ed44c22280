import { asyncScheduler, interval, Observable, type SchedulerLike, type Subscription } from 'rxjs'

/** Milliseconds between two questions that are asked ahead of their time while a server fails. */
export const SCOUT_GAP = 500

/**
 * The waits of all who ask the same servers and get nothing to believe. A back-off spares a server that is in trouble, and
 * would leave everybody behind for half a minute when it is well again. So one of them at a time asks ahead of its time, in
 * turn, and the first good answer wakes the others: two questions a second, however many they are.
 */
export class Recovery {
  readonly #scheduler: SchedulerLike
  /** Ends the wait of each, who has waited longest first. */
  readonly #waiting = new Set<() => void>()
  #scouts: Subscription | undefined

  constructor(scheduler: SchedulerLike = asyncScheduler) {
    this.#scheduler = scheduler
  }

  /** One value, then the end: after `delay` milliseconds, when it is its turn to ask, or when somebody had a good answer. */
  after(delay: number): Observable<void> {
    return new Observable((subscriber) => {
      const end = () => {
        // Whoever asks at once may have its answer at once, and wake the others but not itself.
        this.#waiting.delete(end)
        subscriber.next()
        subscriber.complete()
      }
      subscriber.add(this.#scheduler.schedule(end, delay))
      subscriber.add(() => {
        this.#waiting.delete(end)
        if (this.#waiting.size === 0) this.#endScouting()
      })
      this.#waiting.add(end)
      this.#scouts ??= interval(SCOUT_GAP, this.#scheduler).subscribe(() => this.#sendScout())
    })
  }

  /** The same for those who do not subscribe. Rejects when aborted. */
  wait(delay: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const giveUp = () => {
        waiting.unsubscribe()
        reject(signal.reason)
      }
      signal.addEventListener('abort', giveUp)
      const waiting = this.after(delay).subscribe(() => {
        signal.removeEventListener('abort', giveUp)
        resolve()
      })
    })
  }

  /** Somebody who had failed has a good answer: whoever waits asks at once. */
  wake(): void {
    for (const end of [...this.#waiting]) end()
  }

  #sendScout(): void {
    const [first] = this.#waiting
    first?.()
  }

  #endScouting(): void {
    this.#scouts?.unsubscribe()
    this.#scouts = undefined
  }
}

/** One recovery for each server, or each set of servers that are asked together. */
export class Recoveries {
  readonly #recoveries = new Map<string, Recovery>()

  of(servers: string): Recovery {
    const known = this.#recoveries.get(servers)
    if (known !== undefined) return known
    const recovery = new Recovery()
    this.#recoveries.set(servers, recovery)
    return recovery
  }
}
