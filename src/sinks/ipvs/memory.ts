import type { ForeignObject } from '../../model/change.ts'
import type { DesiredState } from '../../model/desired-state.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { ActualTable } from './actual-table.ts'
import { Backoff } from './backoff.ts'
import { DrainWatch } from './drain-watch.ts'
import type { FoundInOrder } from './plan-pass.ts'

/** What the sink knows from one pass to the next. Only the ownership record outlives the process. */
export class SinkMemory {
  /** Undefined before the first pass, and after one that broke off: then everything is read again. */
  actual: ActualTable | undefined
  /** What the last finished pass worked towards. */
  previous: DesiredState | undefined
  readonly backoff: Backoff<string>
  readonly drains = new DrainWatch()
  /** Services of which something was left undone because the record could not be written. */
  readonly undone = new Set<ServiceKey>()
  /** Services that needed nothing when they were last looked at whole: a resync passes over those that have not changed since. */
  readonly inOrder = new Map<ServiceKey, FoundInOrder>()
  /** Services whose name in the record is another one than they have now. */
  readonly renamed = new Set<ServiceKey>()
  readonly foreignInside = new Map<ServiceKey, readonly ForeignObject[]>()
  foreignServices: readonly ForeignObject[] = []

  constructor(random: () => number) {
    this.backoff = new Backoff(random)
  }

  foreign(): ForeignObject[] {
    return [...this.foreignServices, ...[...this.foreignInside.values()].flat()]
  }
}
