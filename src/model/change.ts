import type { Destination } from './destination.ts'
import type { IpvsTimeouts, SyncDaemon } from './ipvs-table.ts'
import type { ServiceIdentity, VirtualService } from './virtual-service.ts'

/** Why a change is made; logs, metrics and `plan` use the word. */
export type ChangeCause = 'configuration' | 'discovery' | 'drift' | 'drain' | 'adoption'

/** One difference between desired and actual. `before` and `after` hold every attribute, also those that are not ours. */
export type Change = { readonly cause: ChangeCause; readonly service: ServiceIdentity; readonly name: string } & (
  | { readonly kind: 'add-service'; readonly after: VirtualService }
  | { readonly kind: 'edit-service'; readonly before: VirtualService; readonly after: VirtualService }
  | { readonly kind: 'delete-service'; readonly before: VirtualService }
  | { readonly kind: 'add-destination'; readonly after: Destination; readonly reasons: readonly string[] }
  | {
      readonly kind: 'edit-destination'
      readonly before: Destination
      readonly after: Destination
      readonly reasons: readonly string[]
    }
  | { readonly kind: 'delete-destination'; readonly before: Destination; readonly reasons: readonly string[] }
)

/** A difference that belongs to the whole table and not to one service. */
export type TableChange =
  | { readonly kind: 'set-timeouts'; readonly before: IpvsTimeouts; readonly after: IpvsTimeouts }
  | { readonly kind: 'start-sync-daemon'; readonly after: SyncDaemon }
  | { readonly kind: 'stop-sync-daemon'; readonly before: SyncDaemon }

/** Changes of one kind that a sink beside the table makes; `kind` as in its reports. */
export interface SinkChange {
  readonly sink: 'firewall' | 'snat' | 'addresses'
  readonly kind: string
  readonly count: number
}

/** What people call that which a sink beside the table writes. */
export const SINK_NAMES = { firewall: 'firewall', snat: 'source NAT', addresses: 'addresses' } as const satisfies Readonly<
  Record<SinkChange['sink'], string>
>

/** Something that is there, is not ours and is left alone. */
export type ForeignObject =
  | { readonly kind: 'service'; readonly service: VirtualService; readonly destinations: number }
  | { readonly kind: 'destination'; readonly service: ServiceIdentity; readonly name: string; readonly destination: Destination }

/** What a pass would do, in the order in which it does it. */
export interface Plan {
  readonly changes: readonly Change[]
  readonly tableChanges: readonly TableChange[]
  /** Absent: nobody asked for rules in filters, source NAT and addresses. */
  readonly sinkChanges?: readonly SinkChange[]
  readonly foreign: readonly ForeignObject[]
}
