import type { Subscription } from 'rxjs'
import { follow } from './follow.ts'
import type { ReadEntry } from './health-entry.ts'
import type { Heard, QueryReader } from './query-reader.ts'

export type HealthHeard = Heard<readonly ReadEntry[]>

/** One service that somebody wants to know about, whichever way it is watched. */
export class Watch {
  readonly service: string
  readonly reader: QueryReader<readonly ReadEntry[]>
  /** Index of the last answer that could be believed; 0 where it must be asked anew. */
  index = 0n
  /** Milliseconds on the clock of performance.now() when the content last changed. */
  changedAt = Number.NEGATIVE_INFINITY
  /** Questions in a row that brought nothing to believe. */
  unsettled = 0
  readonly #tell: (heard: HealthHeard) => void
  #following: Subscription | undefined

  constructor(service: string, reader: QueryReader<readonly ReadEntry[]>, tell: (heard: HealthHeard) => void) {
    this.service = service
    this.reader = reader
    this.#tell = tell
  }

  /** Whether it has a blocking query of its own. */
  get direct(): boolean {
    return this.#following !== undefined
  }

  follow(): void {
    this.#following ??= follow(this.reader).subscribe((heard) => this.hear(heard))
  }

  unfollow(): void {
    this.#following?.unsubscribe()
    this.#following = undefined
  }

  hear(heard: HealthHeard): void {
    const reading = heard.kind === 'answer' ? heard.reading : undefined
    const settled = reading?.trust === 'fresh' || reading?.trust === 'truncated'
    this.index = settled ? (reading?.index ?? 0n) : 0n
    this.unsettled = settled ? 0 : this.unsettled + 1
    if (reading !== undefined && !reading.same) this.changedAt = performance.now()
    this.#tell(heard)
  }

  /** Whether an instance was on the node when it was last read. */
  isOn(node: string): boolean {
    return (this.reader.content ?? []).some(({ id }) => id?.startsWith(`${node}/`))
  }
}
