import type { DesiredState } from '../../model/desired-state.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { ObjectFailure } from '../sink.ts'

/** What one half of a pass of the virtual addresses did. */
export interface AddressReport {
  /** By kind: `add-address`, `delete-address`, `add-link`, `announce`, … */
  readonly applied: Readonly<Record<string, number>>
  readonly failed: readonly ObjectFailure[]
  readonly driftRepaired: number
  /** Addresses that were there before us and are left to whoever added them. */
  readonly foreign: number
  readonly wakeAt?: number
}

/** Virtual addresses on the interfaces of the director. `withdraw` comes before the IPVS table is written, `hold` after it. */
export interface AddressSink extends AsyncDisposable {
  readonly name: 'addresses'
  /** Takes away the addresses of ours that are no longer announced although their service stays (`announce_when`). */
  withdraw(desired: DesiredState, now: number): Promise<AddressReport>
  /**
   * Adds and announces what services in the kernel want (`opened`: those that IPVS holds), takes away what neither the desired state nor IPVS
   * has any more. `full` reads the kernel, repairs and counts drift.
   */
  hold(
    desired: DesiredState,
    opened: (key: ServiceKey) => boolean,
    scope: 'changes' | 'full',
    now: number,
  ): Promise<AddressReport>
  /** Every address of ours off the interfaces, and the link that we made. */
  remove(): Promise<void>
  /** Called when somebody took an address of ours away. Returns the end of it. */
  onDisturbed(listener: () => void): () => void
}
