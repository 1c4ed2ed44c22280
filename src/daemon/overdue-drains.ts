import type { OwnershipRecord } from '../store/ownership.ts'

/** How many destinations drain beyond their deadline, which they do only where nothing can be removed or the kernel refuses it. */
export function overdueDrains({ services }: Pick<OwnershipRecord, 'services'>, now: number): number {
  let overdue = 0
  for (const { drains } of services.values()) {
    for (const { deadline } of drains.values()) if (deadline < now) overdue += 1
  }
  return overdue
}
