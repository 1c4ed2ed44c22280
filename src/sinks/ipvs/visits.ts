import type { DesiredService, DesiredState } from '../../model/desired-state.ts'
import type { DestinationKey } from '../../model/destination.ts'
import { differingKeys } from '../../model/shared-map.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { OwnershipRecord } from '../../store/ownership.ts'
import { isAskedAlike } from './plan-service.ts'

/** Which services a pass looks at, and in each which destinations; `all` where it has to look at every one. */
export type Visits = ReadonlyMap<ServiceKey, ReadonlySet<DestinationKey> | 'all'>

/** Every service that is desired or ours. */
export function allVisits(desired: DesiredState, record: OwnershipRecord): Visits {
  const visits = new Map<ServiceKey, 'all'>()
  for (const key of desired.services.keys()) visits.set(key, 'all')
  for (const key of record.services.keys()) visits.set(key, 'all')
  return visits
}

/** What differs between two desired states: work in proportion to the change, not to the table. */
export function changedVisits(desired: DesiredState, previous: DesiredState): Map<ServiceKey, Set<DestinationKey> | 'all'> {
  const visits = new Map<ServiceKey, Set<DestinationKey> | 'all'>()
  for (const key of differingKeys(previous.services, desired.services)) {
    const service = desired.services.get(key)
    visits.set(key, service === undefined ? 'all' : differing(service, previous.services.get(key)))
  }
  for (const key of previous.undecided ?? []) if (!desired.services.has(key)) visits.set(key, 'all')
  return visits
}

/** What must never be taken over is looked for once more before it is made: somebody may have been there first. */
export function unmetStrangers(visits: Visits, desired: DesiredState, record: OwnershipRecord): ServiceKey[] {
  return [...visits.keys()].filter((key) => desired.services.get(key)?.adopt === 'never' && !record.services.has(key))
}

/** Adds destinations to what is looked at. */
export function alsoVisit(
  visits: Map<ServiceKey, Set<DestinationKey> | 'all'>,
  service: ServiceKey,
  keys: Iterable<DestinationKey> | 'all',
): void {
  const known = visits.get(service)
  if (known === 'all') return
  if (keys === 'all') visits.set(service, 'all')
  else visits.set(service, new Set([...(known ?? []), ...keys]))
}

function differing(service: DesiredService, before: DesiredService | undefined): Set<DestinationKey> | 'all' {
  if (before === undefined || !isAskedAlike(service, before)) return 'all'
  const alike =
    service.complete === before.complete &&
    service.adopt === before.adopt &&
    service.adoptAlso === before.adoptAlso &&
    service.drainTimeout === before.drainTimeout
  if (!alike) return 'all'
  const keys = new Set(service.destinations.differsFrom(before.destinations))
  for (const key of service.cut?.keys() ?? []) if (!before.cut?.has(key)) keys.add(key)
  return keys
}
