import type { Destination } from '../model/destination.ts'
import type { ExpectedKeys, IpvsTable, IpvsTimeouts, SyncDaemon } from '../model/ipvs-table.ts'
import type { ServiceIdentity, VirtualService } from '../model/virtual-service.ts'

/** One request to the kernel's IPVS family (`linux/ip_vs.h`, IPVS_CMD_*). */
export type IpvsCommand =
  | { readonly kind: 'add-service'; readonly service: VirtualService }
  /** Scheduler, flags, one-packet and persistence in place; connections stay. */
  | { readonly kind: 'edit-service'; readonly service: VirtualService }
  | { readonly kind: 'delete-service'; readonly service: ServiceIdentity }
  | { readonly kind: 'add-destination'; readonly service: ServiceIdentity; readonly destination: Destination }
  | { readonly kind: 'edit-destination'; readonly service: ServiceIdentity; readonly destination: Destination }
  | {
      readonly kind: 'delete-destination'
      readonly service: ServiceIdentity
      readonly destination: Pick<Destination, 'address' | 'port'>
    }
  | { readonly kind: 'set-timeouts'; readonly timeouts: Partial<IpvsTimeouts> }
  | { readonly kind: 'start-sync-daemon'; readonly daemon: SyncDaemon }
  | { readonly kind: 'stop-sync-daemon'; readonly role: SyncDaemon['role'] }
  /** Counters to zero, of one service or of all. */
  | { readonly kind: 'zero'; readonly service?: ServiceIdentity }

/** Empties the table, what is not ours with it: nothing that is behind `IpvsKernel` can ask for it. */
export interface FlushCommand {
  readonly kind: 'flush'
}

/** All that can be encoded. */
export type AnyIpvsCommand = IpvsCommand | FlushCommand

/** One command that the kernel refused. */
export interface CommandFailure {
  /** Position in the list that was written. */
  readonly index: number
  /** `EEXIST`, `ENOENT`, `ESRCH`, …: EEXIST on add and ENOENT or ESRCH on delete mean "read again", not failure. */
  readonly errno: string
  /** The kernel's own words (extended acknowledgement), where it gave any. */
  readonly message?: string
}

/** What became of a list of commands: everything not in `failures` was done. */
export interface WriteReport {
  readonly failures: readonly CommandFailure[]
  readonly sent: number
  readonly bytes: number
  /** send(2) calls. */
  readonly sends: number
}

export interface ReadOptions {
  /** Keys that should be there: one that a dump misses is asked for alone and dumped again before it counts as absent. */
  readonly expected?: ExpectedKeys
  /** Once it aborts, a reading of the whole table may break off and reject with its reason: somebody waits who is more urgent. */
  readonly signal?: AbortSignal
  /** Also decode the 64-bit counters. */
  readonly statistics?: boolean
}

/** What the kernel says about its IPVS (`IPVS_CMD_GET_INFO`). */
export interface IpvsInfo {
  /** `1.2.1` */
  readonly version: string
  readonly connectionTableSize: number
}

/**
 * The IPVS table of one network namespace. Every call rejects with a PointsmanError: NO_PERMISSION, IPVS_MISSING,
 * KERNEL_REFUSED, NETLINK_PROTOCOL, or KERNEL_STUCK when the deadline passes while the kernel is still at work; after
 * KERNEL_STUCK every further call rejects with it at once and nothing is written any more.
 */
export interface IpvsKernel extends AsyncDisposable {
  info(): Promise<IpvsInfo>
  /** The whole table. A key in `expected` that is missing from the answer is absent for certain. */
  readTable(options?: ReadOptions): Promise<IpvsTable>
  /** The named services alone, with the same certainty; a service that is not there is not in the answer. */
  readServices(services: readonly ServiceIdentity[], options?: ReadOptions): Promise<IpvsTable>
  readTimeouts(): Promise<IpvsTimeouts>
  readSyncDaemons(): Promise<readonly SyncDaemon[]>
  /** Sends the commands in order, in batches; a refused command does not stop the ones after it. */
  write(commands: readonly IpvsCommand[]): Promise<WriteReport>
}
