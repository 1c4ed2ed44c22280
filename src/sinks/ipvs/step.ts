import type { Change } from '../../model/change.ts'
import type { Destination, DestinationKey } from '../../model/destination.ts'
import type { Drain } from '../../store/ownership.ts'
import type { Transition } from './transition.ts'

export type ServiceChange = Extract<Change, { kind: 'add-service' | 'edit-service' | 'delete-service' }>
export type DestinationChange = Exclude<Change, ServiceChange>

/**
 * What is to be done about one object: a write, and what the record has to say before it (`own`, `drain`, `undrain`)
 * and after it (`forget`). A step without a change is about the record alone.
 */
export interface DestinationStep {
  readonly kind: 'destination'
  readonly key: DestinationKey
  readonly change?: DestinationChange
  readonly own?: true
  readonly drain?: Drain
  readonly undrain?: true
  readonly forget?: true
  readonly transition?: Transition
}

export interface ServiceStep {
  readonly kind: 'service'
  readonly change?: ServiceChange
  readonly own?: true
  readonly forget?: true
  readonly transition?: Transition
  /** Transitions of the destinations that go with a deleted service. */
  readonly others?: readonly Transition[]
}

/** A destination in a service of ours that is not ours. */
export interface ForeignStep {
  readonly kind: 'foreign'
  readonly key: DestinationKey
  readonly destination: Destination
}

export type Step = ServiceStep | DestinationStep | ForeignStep

/** Whether a step stands for something to do; `foreign` steps only tell. */
export function isTask(step: Step): step is ServiceStep | DestinationStep {
  return step.kind !== 'foreign'
}
