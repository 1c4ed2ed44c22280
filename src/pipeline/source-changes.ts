import { isDeepStrictEqual } from 'node:util'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { SourceChange, SourceStatus } from './desired-update.ts'
import type { ServiceState } from './service.ts'
import { sourceStatuses } from './service-view.ts'

type Services = Pick<ReadonlyMap<ServiceKey, ServiceState>, 'get'>

/** What became different about the sources of these services between two states, those that went first. */
export function sourceChanges(before: Services, after: Services, keys: readonly ServiceKey[]): SourceChange[] {
  const gone: SourceChange[] = []
  const changed: SourceChange[] = []
  for (const key of keys) {
    if (before.get(key) === after.get(key)) continue
    const old = statusesOf(before.get(key))
    const now = statusesOf(after.get(key))
    for (const [source, status] of old) if (!now.has(source)) gone.push({ kind: 'gone', status })
    for (const [source, status] of now) {
      const last = old.get(source)
      if (!isDeepStrictEqual(last, status)) changed.push({ kind: 'status', status, ...(last !== undefined && { before: last }) })
    }
  }
  return [...gone, ...changed]
}

function statusesOf(service: ServiceState | undefined): ReadonlyMap<string, SourceStatus> {
  return new Map((service === undefined ? [] : sourceStatuses(service)).map((status) => [status.source, status]))
}
