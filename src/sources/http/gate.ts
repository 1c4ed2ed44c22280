import { Observable, type Subscription } from 'rxjs'

/** Lets at most `width` works run at a time for each key; the others wait for their turn, first come, first served. */
export class Gate {
  readonly #width: number
  readonly #lanes = new Map<string, Lane>()

  constructor(width: number) {
    this.#width = width
  }

  /** The work, begun when it is its turn. Unsubscribing leaves the queue, or gives the work up. */
  pass<T>(key: string, work: Observable<T>): Observable<T> {
    return new Observable((subscriber) => {
      const lane = this.#lanes.get(key) ?? { running: 0, waiting: new Set() }
      this.#lanes.set(key, lane)
      let begun: Subscription | undefined
      let running = false
      const begin = () => {
        running = true
        lane.running++
        begun = work.subscribe(subscriber)
      }
      if (lane.running < this.#width) begin()
      else lane.waiting.add(begin)
      return () => {
        lane.waiting.delete(begin)
        begun?.unsubscribe()
        if (running) this.#leave(key, lane)
      }
    })
  }

  #leave(key: string, lane: Lane): void {
    lane.running--
    const [next] = lane.waiting
    if (next !== undefined) {
      lane.waiting.delete(next)
      next()
    } else if (lane.running === 0) this.#lanes.delete(key)
  }
}

interface Lane {
  running: number
  readonly waiting: Set<() => void>
}
