import { type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import type { BuiltService } from './build-service.ts'
import type { Findings } from './findings.ts'

/** Two services with one name, or for the same clients: addresses are compared in their canonical form. */
export function findDuplicates(services: readonly BuiltService[], findings: Findings): void {
  const names = new Map<string, BuiltService>()
  const keys = new Map<ServiceKey, BuiltService>()
  for (const service of services) {
    const { draft, identity } = service
    const { name } = draft.own
    if (name !== undefined) {
      const twin = names.get(name)
      if (twin === undefined) names.set(name, service)
      else {
        const where = findings.whereIs([...twin.draft.path, 'name'], draft.path)
        findings.refuse(
          [...draft.path, 'name'],
          `the name ${JSON.stringify(name)} is taken by the service ${where}`,
          'write another name',
        )
      }
    }
    if (identity === undefined) continue
    const key = serviceKey(identity)
    const twin = keys.get(key)
    if (twin === undefined) {
      keys.set(key, service)
      continue
    }
    const what = identity.kind === 'fwmark' ? 'fwmark' : 'listen'
    const where = findings.whereIs([...twin.draft.path, what], draft.path)
    findings.refuse(
      [...draft.path, what],
      `${key} is served already by the service ${where}`,
      'remove one of the two, or write another address, port or mark',
    )
  }
}
