import type { DestinationKey } from '../model/destination.ts'
import { SharedMap } from '../model/shared-map.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { DesiredUpdate } from '../pipeline/desired-update.ts'
import type { PassResult } from '../pipeline/wire.ts'
import type { PassReport } from '../sinks/sink.ts'

/** Foreign destinations that the next full pass takes over, as the operator was told; what others bring later is theirs. */
export class Adopting {
  readonly #services = new Map<ServiceKey, ReadonlySet<DestinationKey>>()
  readonly #owned: (service: ServiceKey) => ReadonlySet<DestinationKey>

  /** `owned`: what is ours by the record. */
  constructor(owned: (service: ServiceKey) => ReadonlySet<DestinationKey>) {
    this.#owned = owned
  }

  add(service: ServiceKey, foreign: Iterable<DestinationKey>): void {
    this.#services.set(service, new Set([...(this.#services.get(service) ?? []), ...foreign]))
  }

  get isEmpty(): boolean {
    return this.#services.size === 0
  }

  /** Forgets all of them; gives the services of those that are not ours yet. */
  drop(): ServiceKey[] {
    const isLeft = ([service, keys]: readonly [ServiceKey, ReadonlySet<DestinationKey>]) => {
      const owned = this.#owned(service)
      return [...keys].some((key) => !owned.has(key))
    }
    const dropped = [...this.#services].filter(isLeft).map(([service]) => service)
    this.#services.clear()
    return dropped
  }

  /** The state in which they are taken over; the same where there are none. Those of a service that is not wanted any more are forgotten. */
  in(update: DesiredUpdate): DesiredUpdate {
    for (const key of this.#services.keys()) if (!update.desired.services.has(key)) this.#services.delete(key)
    if (this.#services.size === 0) return update
    const services = SharedMap.of(update.desired.services).edited([...this.#services.keys()], (key) => {
      const service = update.desired.services.get(key)
      const adoptAlso = this.#services.get(key)
      return service && adoptAlso && { ...service, adoptAlso }
    })
    return { ...update, desired: { ...update.desired, services } }
  }

  /** Whether the pass took any of them over, so that the state is to be written without them. Those that failed are tried again. */
  ended(result: PassResult<PassReport>): boolean {
    if (!result.ok || result.scope !== 'full') return false
    const failing = new Set(result.report.failed.map(({ object }) => object))
    let any = false
    for (const [key, wanted] of this.#services) {
      const tried = result.desired.services.get(key)?.adoptAlso
      if (tried === undefined) continue
      const owned = this.#owned(key)
      const isLeft = (each: DestinationKey) => !owned.has(each) && (failing.has(key) || failing.has(`${key} ${each}`))
      const left = new Set([...wanted].filter((each) => !tried.has(each) || isLeft(each)))
      if (left.size === wanted.size) continue
      any = true
      if (left.size > 0) this.#services.set(key, left)
      else this.#services.delete(key)
    }
    return any
  }
}
