import type { AddressFamily } from '../../model/address.ts'
import type { DesiredService, DesiredState } from '../../model/desired-state.ts'
import type { Destination, DestinationKey } from '../../model/destination.ts'
import type { IpvsTable } from '../../model/ipvs-table.ts'
import { differingKeys, SharedMap } from '../../model/shared-map.ts'
import type { ServiceIdentity, ServiceKey } from '../../model/virtual-service.ts'
import { type FirewallHook, type Opening, type Openings, openingsOf } from './opening.ts'
import { type OpeningChange, OpeningIndex } from './opening-index.ts'

/** What IPVS holds, so that what drains is let through to its end. */
export interface HeldServices {
  /** As last read, with what was written since; another object once everything was read again. */
  readonly table: Pick<IpvsTable, 'keys' | 'get'>
  /** Whether it is ours. */
  holds(service: ServiceKey, destination?: DestinationKey): boolean
  /** Services of ours with destinations that leave; absent: it may be any. */
  readonly draining?: Iterable<ServiceKey>
}

/** What is wanted, and what IPVS holds of ours still: a drain goes on until its last packet. Only what changes is looked at. */
export class WantedOpenings {
  readonly #index = new OpeningIndex()
  #services: SharedMap<ServiceKey, DesiredService> = SharedMap.from([])
  #table: HeldServices['table'] | undefined
  /** By service what IPVS holds of ours and nobody desires. */
  readonly #left = new Map<ServiceKey, readonly Opening[]>()

  /** Goes up whenever an opening comes or goes. */
  get revision(): number {
    return this.#index.revision
  }

  get size(): number {
    return this.#index.size
  }

  update({ services: written }: DesiredState, held: HeldServices): void {
    // Whoever hands it in may go on writing into it.
    const services = SharedMap.of(written)
    const differing = differingKeys<ServiceKey, DesiredService>(this.#services, services)
    const look = new Set(this.#left.keys())
    for (const key of differing) {
      const [was, is] = [this.#services.get(key), services.get(key)]
      if (this.#follow(was, is)) look.add(key)
    }
    const isRead = held.table !== this.#table
    for (const key of isRead ? held.table.keys() : (held.draining ?? held.table.keys())) look.add(key)
    this.#services = services
    this.#table = held.table
    for (const key of look) this.#lookAt(key, held)
    this.#index.commit()
  }

  /** Everything is nobody's any more. */
  clear(): void {
    this.update({ services: new Map() }, { table: new Map(), holds: () => false })
  }

  /** Those of a hook and of these families: a map that changes with what is wanted. */
  at(hook: FirewallHook, families: readonly AddressFamily[]): Openings {
    return this.#index.at(hook, families)
  }

  /** What came and went since a revision; undefined where nobody knows any more. */
  since(revision: number): OpeningChange | undefined {
    return this.#index.since(revision)
  }

  /** Takes over how a service is desired now. Gives whether IPVS may hold something of it that is not desired any more. */
  #follow(was: DesiredService | undefined, is: DesiredService | undefined): boolean {
    if (was === undefined || is === undefined) {
      if (was !== undefined)
        for (const opening of openingsOf(was.identity, was.destinations.values())) this.#index.remove(opening)
      if (is !== undefined) for (const opening of openingsOf(is.identity, is.destinations.values())) this.#index.add(opening)
      return true
    }
    let isLess = false
    for (const key of is.destinations.differsFrom(was.destinations)) {
      const [before, after] = [was.destinations.get(key), is.destinations.get(key)]
      if (after === undefined) isLess = true
      if (after !== undefined) for (const opening of ofDestination(is.identity, after)) this.#index.add(opening)
      if (before !== undefined) for (const opening of ofDestination(was.identity, before)) this.#index.remove(opening)
    }
    return isLess
  }

  #lookAt(key: ServiceKey, held: HeldServices): void {
    const left = leftOf(key, this.#services.get(key), held)
    for (const opening of left) this.#index.add(opening)
    for (const opening of this.#left.get(key) ?? []) this.#index.remove(opening)
    if (left.length > 0) this.#left.set(key, left)
    else this.#left.delete(key)
  }
}

/** Without the one of the service itself, which each service has once. */
function ofDestination(identity: ServiceIdentity, destination: Pick<Destination, 'address' | 'port' | 'forwarding'>): Opening[] {
  return openingsOf(identity, [destination]).slice(1)
}

function leftOf(key: ServiceKey, desired: DesiredService | undefined, { table, holds }: HeldServices): readonly Opening[] {
  const reading = table.get(key)
  if (reading === undefined) return []
  const left = []
  for (const [name, { destination }] of reading.destinations)
    if (desired?.destinations.get(name) === undefined && holds(key, name)) left.push(destination)
  return left.length > 0 || (desired === undefined && holds(key)) ? openingsOf(reading.service.identity, left) : []
}
