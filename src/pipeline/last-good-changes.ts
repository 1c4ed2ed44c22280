import type { Backend } from '../model/backend.ts'
import type { DestinationKey } from '../model/destination.ts'
import { sourceName, sourceQuestion } from '../model/source-spec.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { HeldRemoval, LastGood, LastGoodChange } from './desired-update.ts'
import { type Guarded, heldFor } from './guard.ts'
import type { ServiceState } from './service.ts'
import type { Slot } from './slot.ts'

type Services = Pick<ReadonlyMap<ServiceKey, ServiceState>, 'get'>

/** What the next process should know otherwise than before, of the sources of these services. */
export function lastGoodChanges(before: Services, after: Services, keys: readonly ServiceKey[]): LastGoodChange[] {
  const changes: LastGoodChange[] = []
  for (const service of keys) {
    const old = before.get(service)
    const now = after.get(service)
    if (old === now) continue
    for (const { spec: source } of old?.slots ?? []) {
      const stays = now?.slots.some(({ spec }) => sourceQuestion(spec) === sourceQuestion(source)) === true
      if (!stays) changes.push({ kind: 'gone', service, source })
    }
    for (const slot of now?.slots ?? []) {
      const lastGood = now && differing(old, now.guarded, slot)
      if (lastGood !== undefined) changes.push({ kind: 'known', service, source: slot.spec, lastGood })
    }
  }
  return changes
}

/** What an outage leaves is known already; what has become too old, or was never whole, is no answer to begin with. */
function differing(before: ServiceState | undefined, guarded: Guarded, { number, spec, held }: Slot): LastGood | undefined {
  const { answeredAt, whole, members, expired, state } = held
  if (answeredAt === undefined || !whole || expired) return undefined
  const old = before?.slots.find((slot) => slot.number === number)?.held
  const isAnswer = state === 'up' && (old?.members !== members || old.answeredAt !== answeredAt)
  const isGuard = old?.answeredAt !== undefined && before?.guarded.held !== guarded.held
  return isAnswer || isGuard ? { members, held: removalsOf(guarded, sourceName(spec)), at: answeredAt } : undefined
}

function removalsOf(guarded: Guarded, origin: string): LastGood['held'] {
  const removals = new Map<DestinationKey, HeldRemoval & { readonly backend: Backend }>()
  for (const [key, { backend }] of heldFor(guarded, origin)) {
    const removal = guarded.held.get(key)
    if (removal !== undefined) removals.set(key, { ...removal, backend })
  }
  return removals
}
