import type { DesiredService, DesiredState } from '../model/desired-state.ts'
import { differingKeys } from '../model/shared-map.ts'
import type { ServiceKey } from '../model/virtual-service.ts'

/** The services that are of some kind. Only those that differ from the state before are looked at. */
export class Those {
  readonly #are: (service: DesiredService) => boolean
  #services: DesiredState['services'] = new Map()
  #keys: ReadonlySet<ServiceKey> = new Set()

  constructor(are: (service: DesiredService) => boolean) {
    this.#are = are
  }

  of({ services }: DesiredState): ReadonlySet<ServiceKey> {
    const isOne = (key: ServiceKey) => {
      const service = services.get(key)
      return service !== undefined && this.#are(service)
    }
    const turned = differingKeys(this.#services, services).filter((key) => isOne(key) !== this.#keys.has(key))
    this.#services = services
    if (turned.length > 0) {
      const keys = new Set(this.#keys)
      for (const key of turned) if (!keys.delete(key)) keys.add(key)
      this.#keys = keys
    }
    return this.#keys
  }
}
