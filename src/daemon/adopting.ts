import { SharedMap } from '../model/shared-map.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { DesiredUpdate } from '../pipeline/desired-update.ts'

/** The state with these services taking over what is foreign in them; the same where that says nothing new. */
export function adoptingIn(update: DesiredUpdate, adopting: ReadonlySet<ServiceKey>): DesiredUpdate {
  if (adopting.size === 0) return update
  const services = SharedMap.of(update.desired.services).edited([...adopting], (key) => {
    const service = update.desired.services.get(key)
    return service && { ...service, adopt: 'all' }
  })
  return { ...update, desired: { ...update.desired, services } }
}
