import type { OutageStanding } from '../admin/standing.ts'
import type { StateEvent } from '../model/state-event.ts'
import { wallTime } from '../steady-scheduler.ts'

/** Backends and services below which nobody asks whether they are still there. */
const FEW = 1_024

/** How often something was down, and for how long. */
export interface Outages {
  readonly times: number
  /** Milliseconds of those that have ended. */
  readonly ended: number
  /** Milliseconds since the epoch at which the one that goes on began; absent: none does. */
  readonly since?: number
}

const NONE: Outages = { times: 0, ended: 0 }

/** Whether a service, or a backend of it, is known still. */
export type IsThere = (service: string, backend?: string) => boolean

/**
 * The outages that were seen: of a backend, while probes find it down; of a service, while nobody serves. They are bounded, for what is gone is
 * forgotten.
 */
export class OutageLedger {
  #seen = new Map<string, Outages>()
  #sweepAt = FEW

  /** `now`: milliseconds since the epoch, of the steady clock. `isThere`: of others nothing is kept for long. */
  note({ kind, vip, backend, from, to }: StateEvent, now: number, isThere: IsThere): void {
    const down = kind === 'health' ? 'down' : kind === 'pool' ? 'nobody' : undefined
    if (down === undefined) return
    const id = idOf(vip, backend)
    const { times, ended, since } = this.#seen.get(id) ?? NONE
    // Who left while it was down, and is back, was not seen in between: that outage has no length.
    const lasted = since !== undefined && from === down ? now - since : 0
    if (to === down) this.#seen.set(id, { times: times + 1, ended: ended + lasted, since: now })
    else if (since !== undefined) this.#seen.set(id, { times, ended: ended + lasted })
    if (this.#seen.size >= this.#sweepAt) this.#sweep(isThere)
  }

  /** Without `backend`: of the service as a whole. */
  of(service: string, backend?: string): Outages {
    return this.#seen.get(idOf(service, backend)) ?? NONE
  }

  #sweep(isThere: IsThere): void {
    this.#seen = new Map(
      [...this.#seen].filter(([id]) => {
        const [service = '', backend] = id.split(' ')
        return isThere(service, backend)
      }),
    )
    this.#sweepAt = Math.max(FEW, 2 * this.#seen.size)
  }
}

/** `isDown`: who left in the middle of an outage, or is asked by no probe any more, is down no longer. */
export function outageStanding({ times, ended, since }: Outages, isDown: boolean): OutageStanding {
  const goesOn = isDown && since !== undefined
  return { times_down: times, downtime: { seconds: ended / 1_000, ...(goesOn && { since: wallTime(since) }) } }
}

function idOf(service: string, backend: string | undefined): string {
  return backend === undefined ? service : `${service} ${backend}`
}
