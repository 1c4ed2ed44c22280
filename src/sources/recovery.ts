import { interval, Observable, type SchedulerLike, Subscription } from 'rxjs'
import { steadyScheduler } from '../steady-scheduler.ts'

/** Milliseconds between two questions that are asked ahead of their time while a server fails. */
export const SCOUT_GAP = 250

/** Questions at a time that are asked beside others that have no answer yet. */
export const SCOUTS = 3

/** How a question is asked: while no other of its kind is under way, beside one that has no answer yet, or in its place. */
export type Attempt = 'first' | 'beside' | 'anew'

/** What somebody does when it is his turn to ask, or (`woken`) when somebody else had a good answer. */
type Turn = (woken: boolean) => void

/**
 * The waits and the questions of all who ask the same servers and get nothing to believe. A back-off spares a server that is
 * in trouble, and a deadline has patience with a slow one; both would leave everybody behind when it is well again. So one of
 * them at a time asks ahead of its time, in turn, and the first good answer wakes the others: four questions a second, however
 * many they are.
 */
export class Recovery {
  readonly #scheduler: SchedulerLike
  /** Who has waited longest first. */
  readonly #waiting = new Set<Turn>()
  /** Questions that are asked beside others, oldest first. */
  readonly #beside = new Set<Subscription>()
  #turns: Subscription | undefined

  constructor(scheduler: SchedulerLike = steadyScheduler) {
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
      subscriber.add(this.#waitsForTurns(end))
    })
  }

  /**
   * The outcome of a question of somebody who fails, then the end. A network may have swallowed the question, which then hangs
   * for all of its deadline although the network is well again: so when it is its turn it is asked once more beside the first,
   * and when somebody else had a good answer it is asked anew, once. The first outcome counts.
   */
  ask<T>(question: (attempt: Attempt) => Observable<T>): Observable<T> {
    return new Observable((subscriber) => {
      const begun = this.#scheduler.now()
      let anew = false
      let mine = new Subscription()
      const start = (attempt: Attempt): Subscription => {
        const asked = new Subscription()
        mine.add(asked)
        asked.add(
          question(attempt).subscribe({
            next: (outcome) => {
              subscriber.next(outcome)
              subscriber.complete()
            },
            error: (error) => subscriber.error(error),
          }),
        )
        return asked
      }
      const turn = (woken: boolean) => {
        if (subscriber.closed) return
        if (!woken) {
          // Behind all others, until its next turn.
          this.#waiting.delete(turn)
          this.#waiting.add(turn)
          this.#askBeside(start('beside'))
        } else if (!anew && this.#scheduler.now() - begun >= SCOUT_GAP) {
          // Once: a server that answers slowly to many at a time must get through with it.
          anew = true
          mine.unsubscribe()
          mine = new Subscription()
          start('anew')
        }
      }
      subscriber.add(() => mine.unsubscribe())
      subscriber.add(this.#waitsForTurns(turn))
      start('first')
    })
  }

  /** The same as `after` for those who do not subscribe. Rejects when aborted. */
  wait(delay: number, signal: AbortSignal): Promise<void> {
    return firstValue(this.after(delay), signal)
  }

  /** Somebody who had failed has a good answer: whoever waits asks at once. */
  wake(): void {
    for (const turn of [...this.#waiting]) turn(true)
  }

  #askBeside(asked: Subscription): void {
    if (asked.closed) return
    this.#beside.add(asked)
    asked.add(() => this.#beside.delete(asked))
    const [oldest] = this.#beside
    if (this.#beside.size > SCOUTS) oldest?.unsubscribe()
  }

  #waitsForTurns(turn: Turn): Subscription {
    this.#waiting.add(turn)
    this.#turns ??= interval(SCOUT_GAP, this.#scheduler).subscribe(() => {
      const [first] = this.#waiting
      first?.(false)
    })
    return new Subscription(() => {
      this.#waiting.delete(turn)
      if (this.#waiting.size > 0) return
      this.#turns?.unsubscribe()
      this.#turns = undefined
    })
  }
}

/** The first value; rejects with the signal's reason when it is aborted before, and unsubscribes then. */
export function firstValue<T>(value$: Observable<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const giveUp = () => {
      subscription.unsubscribe()
      reject(signal.reason)
    }
    signal.addEventListener('abort', giveUp)
    const subscription = value$.subscribe({ next: resolve, error: reject })
    subscription.add(() => signal.removeEventListener('abort', giveUp))
  })
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
