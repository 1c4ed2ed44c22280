import type { Change, ForeignObject } from '../model/change.ts'
import type { DesiredState } from '../model/desired-state.ts'
import type { IpvsTable } from '../model/ipvs-table.ts'
import { isRoadName } from '../model/probe-road.ts'
import { planServices } from '../sinks/ipvs/plan-only.ts'
import { steadyScheduler } from '../steady-scheduler.ts'
import type { OwnershipRecord } from '../store/ownership-record.ts'
import { NOTHING_OWNED } from './memory-ownership.ts'

export interface PlanOptions {
  /** What is ours, from `Ipvs.owned`; nothing by default. What is neither ours nor desired is never changed or removed. */
  readonly owned?: OwnershipRecord
  /** Milliseconds since the epoch, for the deadlines of drains; the present by default. */
  readonly now?: number
  /** Weights of destinations that are in the kernel stay as they are, a 0 too; false by default. */
  readonly keepWeights?: boolean
}

/** What would be done, in its order, and what it is good for. Plain data but for its maps; what `apply` takes. */
export interface TablePlan {
  readonly changes: readonly Change[]
  /** What is there, is not ours and is left alone. */
  readonly foreign: readonly ForeignObject[]
  readonly desired: DesiredState
  readonly keepWeights: boolean
}

/** Milliseconds for the destinations of a service that is desired no more. */
export const LEAVING_TIMEOUT = 300_000

/**
 * The changes that lead from a table to what is desired, additions first. Pure: the same arguments give the same plan; asynchronous
 * only so that large tables do not hold up the event loop. A service that is there and desired becomes ours with the destinations that are desired, its other
 * destinations stay foreign (`adopt: all` takes them too). What is ours and desired no more drains (weight 0) before it is deleted.
 */
export async function plan(table: IpvsTable, desired: DesiredState, options: PlanOptions = {}): Promise<TablePlan> {
  const { owned = NOTHING_OWNED, now = steadyScheduler.now(), keepWeights = false } = options
  const beside = besideProbes(desired, owned)
  const planned = await planServices({
    table,
    desired: beside,
    record: owned,
    now,
    keepWeights,
    leavingTimeout: () => LEAVING_TIMEOUT,
  })
  return { ...planned, desired: beside, keepWeights }
}

/** Services through which a daemon probes are its own affair, also while it rests. */
function besideProbes(desired: DesiredState, { services }: OwnershipRecord): DesiredState {
  const probes = [...services].flatMap(([key, { name }]) => (isRoadName(name) && !desired.services.has(key) ? [key] : []))
  return probes.length === 0 ? desired : { ...desired, undecided: new Set([...(desired.undecided ?? []), ...probes]) }
}
