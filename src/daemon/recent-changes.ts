import type { ChangeReport } from '../admin/status-schema.ts'
import type { StateEvent } from '../model/state-event.ts'
import { wallTime } from '../pipeline/steady-scheduler.ts'

/** How many changes are remembered. */
const REMEMBERED = 200

/** Backends below which nobody asks whether they are still there. */
const FEW = 1_024

/** The last changes, and how often probes found each backend down. Both are bounded, whatever happens. */
export class RecentChanges {
  readonly #now: () => number
  readonly #ring: (Omit<ChangeReport, 'at'> & { readonly at: number })[] = []
  #timesDown = new Map<string, number>()
  #next = 0
  #sweepAt = FEW

  /** `now`: milliseconds since the epoch, of the steady clock. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** `isThere`: whether a backend of a service is known still; of others nothing is kept for long. */
  note(event: StateEvent, isThere: (service: string, backend: string) => boolean): void {
    const { vip, ...told } = event
    this.#ring.push({ id: this.#next, at: this.#now(), ...told, reasons: [...event.reasons] })
    this.#next += 1
    if (this.#ring.length > REMEMBERED) this.#ring.shift()
    if (event.kind === 'health' && event.to === 'down' && event.backend !== undefined) {
      const id = idOf(vip, event.backend)
      this.#timesDown.set(id, (this.#timesDown.get(id) ?? 0) + 1)
      if (this.#timesDown.size >= this.#sweepAt) this.#sweep(isThere)
    }
  }

  /** The oldest first. */
  get last(): ChangeReport[] {
    return this.#ring.map((change) => ({ ...change, at: wallTime(change.at) }))
  }

  timesDown(service: string, backend: string): number {
    return this.#timesDown.get(idOf(service, backend)) ?? 0
  }

  #sweep(isThere: (service: string, backend: string) => boolean): void {
    this.#timesDown = new Map(
      [...this.#timesDown].filter(([id]) => {
        const [service = '', backend = ''] = id.split(' ')
        return isThere(service, backend)
      }),
    )
    this.#sweepAt = Math.max(FEW, 2 * this.#timesDown.size)
  }
}

function idOf(service: string, backend: string): string {
  return `${service} ${backend}`
}
