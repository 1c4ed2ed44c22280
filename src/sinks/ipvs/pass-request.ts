import type { IpvsKernel } from '../../kernel/for-sinks.ts'
import type { Change } from '../../model/change.ts'
import type { DesiredState } from '../../model/desired-state.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { OwnershipStore } from '../../store/ownership.ts'
import type { Action } from './actions.ts'
import type { SinkMemory } from './memory.ts'
import type { Transition } from './transition.ts'

/** What a pass works with. */
export interface PassTools {
  readonly kernel: IpvsKernel
  readonly store: OwnershipStore
  readonly memory: SinkMemory
  readonly onTransition: (transition: Transition) => void
}

/** What a pass is asked for. */
export interface PassRequest {
  readonly desired: DesiredState
  readonly scope: 'changes' | 'full'
  readonly now: number
  readonly keepWeights: boolean
  readonly allowedActions: ReadonlySet<Action> | undefined
  /** Once it aborts, the pass ends with its reason if it has not begun to write. */
  readonly signal: AbortSignal | undefined
  /** Sees what a full pass would change, before its first write; may throw. */
  readonly inspect?: (changes: readonly Change[]) => void
  /** Milliseconds for the destinations of a service that leaves. */
  readonly leavingTimeout: (service: ServiceKey) => number
}
