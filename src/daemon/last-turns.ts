import type { Turn } from '../admin/standing.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { Transition } from '../sinks/ipvs/transition.ts'

/** The last change of each destination that is in the kernel. */
export class LastTurns {
  readonly #turns = new Map<string, Turn>()

  /** `now`: milliseconds since the epoch. */
  note({ service, destination, from, to, cause }: Transition, now: number): void {
    if (destination === undefined) return
    const id = `${service} ${destination}`
    if (to === 'absent') this.#turns.delete(id)
    else this.#turns.set(id, { at: new Date(now).toISOString(), from, to, cause })
  }

  of(service: ServiceKey, backend: DestinationKey): Turn | undefined {
    return this.#turns.get(`${service} ${backend}`)
  }
}
