import type { Turn } from '../admin/standing.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import { wallTime } from '../pipeline/steady-scheduler.ts'
import type { Transition } from '../sinks/ipvs/transition.ts'

/** The last change of each destination that is in the kernel. */
export class LastTurns {
  readonly #turns = new Map<string, Omit<Turn, 'at'> & { readonly at: number }>()

  /** `now`: milliseconds since the epoch, of the steady clock. */
  note({ service, destination, from, to, cause }: Transition, now: number): void {
    if (destination === undefined) return
    const id = `${service} ${destination}`
    if (to === 'absent') this.#turns.delete(id)
    else this.#turns.set(id, { at: now, from, to, cause })
  }

  of(service: ServiceKey, backend: DestinationKey): Turn | undefined {
    const turn = this.#turns.get(`${service} ${backend}`)
    return turn && { ...turn, at: wallTime(turn.at) }
  }
}
