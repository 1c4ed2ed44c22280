import type { DesiredState } from '../../model/desired-state.ts'
import type { DestinationKey } from '../../model/destination.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { ObjectFailure } from '../sink.ts'

/** What one half of a pass of the source NAT did. */
export interface SnatReport {
  /** By kind: `add-element`, `delete-element`, `add-table`, … */
  readonly applied: Readonly<Record<string, number>>
  readonly failed: readonly ObjectFailure[]
  readonly driftRepaired: number
  /** Services that want source NAT and whose translation is not confirmed to be in the kernel: they must not be opened. */
  readonly unconfirmed: ReadonlySet<ServiceKey>
  /** As in PassReport. */
  readonly wakeAt?: number
}

/** What IPVS still holds of ours, so that a flow that lives keeps its translation. */
export interface StillServed {
  service(key: ServiceKey): boolean
  /** For services by firewall mark, whose translation hangs on their destinations. */
  destination(service: ServiceKey, destination: DestinationKey): boolean
}

/** Source NAT of services by NAT forwarding, in a table of our own. `open` comes before the IPVS table is written, `close` after it. */
export interface SnatSink extends AsyncDisposable {
  readonly name: 'snat'
  /** Adds and alters, takes nothing away. `full` reads the kernel, repairs and counts drift. Rejects only where nothing could be done. */
  open(desired: DesiredState, scope: 'changes' | 'full', now: number): Promise<SnatReport>
  /** Takes away what neither the desired state nor IPVS has any more. */
  close(desired: DesiredState, still: StillServed, now: number): Promise<SnatReport>
  /** Everything of ours out of the kernel. */
  remove(): Promise<void>
  /** Called when somebody changed the ruleset so that a full pass is due. Returns the end of it. */
  onDisturbed(listener: () => void): () => void
}
