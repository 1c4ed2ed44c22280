import { isDown } from '../model/backend.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { Member } from './desired-update.ts'
import type { Members } from './hold.ts'

/**
 * The priority whose members are used: the lowest number with a member that serves, one of a weight above 0 that is not
 * known to be down. Undefined where no member with a priority serves; then nobody waits.
 */
export function usedPriority(members: Members, { weight }: Pick<ServiceSpec, 'weight'>): number | undefined {
  let used: number | undefined
  for (const { backend } of members.values()) {
    const { priority } = backend
    if (priority === undefined || (used !== undefined && priority >= used)) continue
    if ((backend.weight ?? weight) > 0 && !isDown(backend)) used = priority
  }
  return used
}

/** Why a member waits while others serve; undefined where it does not, as for every member without a priority. */
export function waitingReason({ backend: { priority } }: Member, used: number | undefined): string | undefined {
  if (priority === undefined || used === undefined || priority <= used) return undefined
  return `priority ${priority} waits while priority ${used} serves`
}
