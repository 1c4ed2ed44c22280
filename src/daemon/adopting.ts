import type { DesiredState } from '../model/desired-state.ts'
import { SharedMap } from '../model/shared-map.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { DesiredUpdate } from '../pipeline/desired-update.ts'
import type { PassResult } from '../pipeline/wire.ts'
import type { PassReport } from '../sinks/sink.ts'

/** Services of which the next full pass takes over what is foreign; what others bring later is theirs. */
export class Adopting {
  readonly #services = new Set<ServiceKey>()

  add(service: ServiceKey): void {
    this.#services.add(service)
  }

  /** The state in which they take it over; the same where there are none. */
  in(update: DesiredUpdate): DesiredUpdate {
    if (this.#services.size === 0) return update
    const services = SharedMap.of(update.desired.services).edited([...this.#services], (key) => {
      const service = update.desired.services.get(key)
      return service && { ...service, adopt: 'all' }
    })
    return { ...update, desired: { ...update.desired, services } }
  }

  /** Whether the pass was the last one that was needed, so that the state is to be written as it is. */
  ended(result: PassResult<PassReport>): boolean {
    if (!result.ok || result.scope !== 'full' || this.#services.size === 0) return false
    const failing = new Set<string | undefined>(result.report.failed.map(({ object }) => object.split(' ')[0]))
    for (const key of this.#services) if (isTakenOver(key, result.desired) && !failing.has(key)) this.#services.delete(key)
    return this.#services.size === 0
  }
}

function isTakenOver(key: ServiceKey, { services }: DesiredState): boolean {
  return services.get(key)?.adopt === 'all'
}
