import type { ChangeReport } from '../admin/status-schema.ts'
import type { StateEvent } from '../model/state-event.ts'
import { wallTime } from '../steady-scheduler.ts'
import { type IsThere, OutageLedger, type Outages } from './outages.ts'

/** How many changes are remembered. */
const REMEMBERED = 200

/** The last changes, and the outages among all of them. Both are bounded, whatever happens. */
export class RecentChanges {
  readonly #now: () => number
  readonly #ring: (Omit<ChangeReport, 'at'> & { readonly at: number })[] = []
  readonly #outages = new OutageLedger()
  #next = 0

  /** `now`: milliseconds since the epoch, of the steady clock. */
  constructor(now: () => number) {
    this.#now = now
  }

  note(event: StateEvent, isThere: IsThere): void {
    const { vip, ...told } = event
    const at = this.#now()
    this.#ring.push({ id: this.#next, at, ...told, reasons: [...event.reasons] })
    this.#next += 1
    if (this.#ring.length > REMEMBERED) this.#ring.shift()
    this.#outages.note(event, at, isThere)
  }

  /** The oldest first. */
  get last(): ChangeReport[] {
    return this.#ring.map((change) => ({ ...change, at: wallTime(change.at) }))
  }

  /** Without `backend`: of the service as a whole. */
  outages(service: string, backend?: string): Outages {
    return this.#outages.of(service, backend)
  }
}
