import type { ServiceKey } from '../model/virtual-service.ts'
import type { GuardChange } from './desired-update.ts'
import type { ServiceState } from './service.ts'

type Services = Pick<ReadonlyMap<ServiceKey, ServiceState>, 'get'>

/** What became different about what is held in these services between two states. */
export function guardChanges(before: Services, after: Services, keys: readonly ServiceKey[]): GuardChange[] {
  return keys.flatMap((service) => {
    const now = after.get(service)
    if (now === undefined) return []
    const { held, released } = now.guarded
    const old = before.get(service)?.guarded
    if (now.guarded === old) return []
    const began = [...held.keys()].filter((key) => old?.held.has(key) !== true)
    return began.length === 0 && released.size === 0 ? [] : [{ service, spec: now.spec, held, began, released }]
  })
}
