import type { Turn } from '../admin/standing.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { Transition } from '../sinks/ipvs/transition.ts'
import { wallTime } from '../steady-scheduler.ts'

interface Noted extends Omit<Turn, 'at'> {
  readonly at: number
  /** When it came to have a weight; absent: it has none, or had one before this process began. */
  readonly serves?: number
}

/** The last change of each destination that is in the kernel. */
export class LastTurns {
  readonly #turns = new Map<string, Noted>()

  /** `now`: milliseconds since the epoch, of the steady clock. */
  note({ service, destination, from, to, cause }: Transition, now: number): void {
    if (destination === undefined) return
    const id = `${service} ${destination}`
    if (to === 'absent') {
      this.#turns.delete(id)
      return
    }
    const serves = from === 'foreign' || weighs(from) ? this.#turns.get(id)?.serves : now
    this.#turns.set(id, { at: now, from, to, cause, ...(weighs(to) && serves !== undefined && { serves }) })
  }

  of(service: ServiceKey, backend: DestinationKey): Turn | undefined {
    const turn = this.#turns.get(`${service} ${backend}`)
    if (turn === undefined) return undefined
    const { at, from, to, cause } = turn
    return { at: wallTime(at), from, to, cause }
  }

  /** When it came to have the weight that it has now, or another above 0; undefined: it has none, or that was not seen. */
  servesSince(service: ServiceKey, backend: DestinationKey): string | undefined {
    const serves = this.#turns.get(`${service} ${backend}`)?.serves
    return serves === undefined ? undefined : wallTime(serves)
  }
}

/** `weight 5`, `weight 5, direct` */
function weighs(state: string): boolean {
  return Number(/^weight (\d+)/.exec(state)?.[1] ?? 0) > 0
}
