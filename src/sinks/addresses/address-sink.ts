import type { DesiredState } from '../../model/desired-state.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { ObjectFailure } from '../sink.ts'

/** What one half of a pass of the virtual addresses did. */
export interface AddressReport {
  /** By kind: `add-address`, `delete-address`, `deprecate-address`, `add-link`, `switch-on-link`, `delete-link`, `announce`. */
  readonly applied: Readonly<Record<string, number>>
  /** `object` is the address, or the name of our own link. */
  readonly failed: readonly ObjectFailure[]
  readonly driftRepaired: number
  /** Addresses that were there before us and are left to whoever added them. */
  readonly foreign: number
  /** Addresses about which the neighbours are being asked: they are added in a later pass, not before `wakeAt`. */
  readonly pending: number
  readonly wakeAt?: number
}

/** For metrics. All but `held`, `foreign` and `conflicts` count since the sink was made. */
export interface AddressFacts {
  /** Addresses of ours that are on an interface. */
  readonly held: number
  readonly foreign: number
  /** Addresses that another host holds, as last asked. */
  readonly conflicts: number
  /** How often an address was not added because a neighbour said that it holds it. */
  readonly conflictsSeen: number
  /** What somebody took away or changed and we put back. */
  readonly repairs: number
  /** Gratuitous ARPs and unsolicited neighbour advertisements that left. */
  readonly announcements: number
}

/** Virtual addresses on the interfaces of the director. `withdraw` comes before the IPVS table is written, `hold` after it. */
export interface AddressSink extends AsyncDisposable {
  readonly name: 'addresses'
  /** Takes away the addresses of ours that are no longer announced although their service stays (`announce_when`). Rejects where the interfaces cannot be read. */
  withdraw(desired: DesiredState, now: number): Promise<AddressReport>
  /**
   * Adds and announces what services in the kernel want (`opened`: those that IPVS holds), takes away what neither the desired state nor IPVS
   * has any more. `full` reads the kernel, repairs and counts drift. It never waits for neighbours: an address about which they have to be asked is
   * added by the call at `wakeAt`. Rejects only where the interfaces cannot be read.
   */
  hold(
    desired: DesiredState,
    opened: (key: ServiceKey) => boolean,
    scope: 'changes' | 'full',
    now: number,
  ): Promise<AddressReport>
  /** Every address of ours off the interfaces, and the link that we made. Rejects with APPLY_FAILED where something of it stayed. */
  remove(): Promise<void>
  /** Called when somebody took an address of ours away, or changed a link that matters to one; `hold` is due. Returns the end of it. */
  onDisturbed(listener: () => void): () => void
  facts(): AddressFacts
}
