import type { DesiredService, DesiredState } from '../../model/desired-state.ts'
import type { DestinationKey } from '../../model/destination.ts'
import type { IpvsTable } from '../../model/ipvs-table.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import { type Opening, type OpeningKey, type Openings, openingKey, openingsOf } from './opening.ts'

type Services = DesiredState['services']

/** What is wanted, and what IPVS holds of ours still: a drain goes on until its last packet. The same map as long as none comes and none goes. */
export class WantedOpenings {
  #services: Services = new Map()
  #left: Openings = new Map()
  #all: Openings = new Map()

  of(
    { services }: DesiredState,
    table: IpvsTable,
    holds: (service: ServiceKey, destination?: DestinationKey) => boolean,
  ): Openings {
    const left = leftIn(table, services, holds)
    const isSame = areAlike(services, this.#services) && haveSameKeys(left, this.#left)
    // Whoever hands it in may go on writing into it.
    this.#services = new Map(services)
    this.#left = left
    if (isSame) return this.#all
    const all = new Map<OpeningKey, Opening>()
    for (const service of services.values()) for (const [key, opening] of openingsOfDesired(service)) all.set(key, opening)
    for (const [key, opening] of left) all.set(key, opening)
    this.#all = all
    return all
  }
}

function leftIn(
  table: IpvsTable,
  services: Services,
  holds: (service: ServiceKey, destination?: DestinationKey) => boolean,
): Openings {
  const openings = new Map<OpeningKey, Opening>()
  for (const [key, { service, destinations }] of table) {
    const wanted = services.get(key)?.destinations
    const left = []
    for (const [name, { destination }] of destinations)
      if (wanted?.get(name) === undefined && holds(key, name)) left.push(destination)
    if (left.length > 0 || (wanted === undefined && holds(key)))
      for (const opening of openingsOf(service.identity, left)) openings.set(openingKey(opening), opening)
  }
  return openings
}

/** Of services that are as they were: in a pass one of thousands has changed. */
const KNOWN = new WeakMap<DesiredService, Openings>()

function openingsOfDesired(service: DesiredService): Openings {
  const known = KNOWN.get(service)
  if (known !== undefined) return known
  const openings = openingsOf(service.identity, service.destinations.values())
  const found = new Map(openings.map((opening) => [openingKey(opening), opening]))
  KNOWN.set(service, found)
  return found
}

function areAlike(services: Services, before: Services): boolean {
  if (services.size !== before.size) return false
  for (const [key, service] of services) {
    const was = before.get(key)
    if (was === undefined) return false
    if (was !== service && !haveSameKeys(openingsOfDesired(service), openingsOfDesired(was))) return false
  }
  return true
}

function haveSameKeys(a: Openings, b: Openings): boolean {
  if (a.size !== b.size) return false
  for (const key of a.keys()) if (!b.has(key)) return false
  return true
}
