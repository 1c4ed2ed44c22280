import type { Plan } from '../../model/change.ts'
import type { DesiredState } from '../../model/desired-state.ts'
import type { IpvsTable } from '../../model/ipvs-table.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { OwnershipRecord } from '../../store/ownership.ts'
import { ActualTable } from './actual-table.ts'
import { foreignServices, planPass } from './plan-pass.ts'
import { allVisits } from './visits.ts'
import { changesOf } from './work.ts'

/** What a plan of services and destinations is made from. */
export interface PlanInput {
  readonly table: IpvsTable
  readonly desired: DesiredState
  readonly record: OwnershipRecord
  /** What was wanted when this was asked before: of services in both, differences are told as news of their backends. */
  readonly previous?: DesiredState
  /** Milliseconds since the epoch: at the deadline of a drain its destination goes. */
  readonly now: number
  readonly keepWeights?: boolean
  /** Milliseconds for the destinations of a service that leaves. */
  readonly leavingTimeout: (service: ServiceKey) => number
}

/**
 * What a full pass would do to services and destinations by its argument alone. That a drain is idle shows only
 * on two reads, so a plan ends drains by their deadlines and not before.
 */
export async function planServices(input: PlanInput): Promise<Pick<Plan, 'changes' | 'foreign'>> {
  const { table, desired, record, now, previous, keepWeights = false, leavingTimeout } = input
  const actual = new ActualTable(table)
  const plan = await planPass({
    visits: allVisits(desired, record),
    desired,
    previous,
    actual,
    record,
    now,
    keepWeights,
    leavingTimeout,
    inOrder: new Map(),
    idle: () => false,
    settled: () => false,
    anyFailed: false,
    holds: () => false,
  })
  const foreign = [...foreignServices(actual, desired, record), ...[...plan.foreign.values()].flat()]
  return { changes: changesOf(plan.work), foreign }
}
