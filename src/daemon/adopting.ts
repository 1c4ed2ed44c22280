import type { ServiceKey } from '../model/virtual-service.ts'
import type { DesiredUpdate } from '../pipeline/desired-update.ts'

/** The state with these services taking over what is foreign in them; the same where that says nothing new. */
export function adoptingIn(update: DesiredUpdate, adopting: ReadonlySet<ServiceKey>): DesiredUpdate {
  if (adopting.size === 0) return update
  const services = new Map(update.desired.services)
  for (const key of adopting) {
    const service = services.get(key)
    if (service !== undefined) services.set(key, { ...service, adopt: 'all' })
  }
  return { ...update, desired: { ...update.desired, services } }
}
