import type { CommandFailure, IpvsInfo, WriteReport } from '../../../src/kernel/for-sinks.ts'
import type { AnyIpvsCommand } from '../../../src/kernel/ipvs-kernel.ts'
import type { DestinationReading, IpvsTimeouts, SyncDaemon } from '../../../src/model/ipvs-table.ts'
import type { ServiceIdentity, VirtualService } from '../../../src/model/virtual-service.ts'

/** What ipvs-steps.ts can be told to do. */
export type Step =
  | { readonly do: 'write'; readonly commands: readonly AnyIpvsCommand[] }
  | { readonly do: 'read'; readonly statistics?: boolean }
  | { readonly do: 'read-services'; readonly services: readonly ServiceIdentity[] }
  | { readonly do: 'read-timeouts' | 'read-sync-daemons' | 'info' }
  /** Becomes the writer of the namespace until the last step. */
  | { readonly do: 'hold' }
  /** A program whose output is wanted. */
  | { readonly do: 'witness'; readonly command: readonly string[] }

/** A service as it comes out of JSON. */
export interface PlainService {
  readonly service: VirtualService
  readonly destinations: readonly DestinationReading[]
}

/** What the steps give, by their kind. */
export interface StepResults {
  readonly write: WriteReport & { readonly failures: readonly CommandFailure[] }
  readonly read: readonly PlainService[]
  readonly 'read-services': readonly PlainService[]
  readonly 'read-timeouts': IpvsTimeouts
  readonly 'read-sync-daemons': readonly SyncDaemon[]
  readonly info: IpvsInfo
  readonly hold: { readonly pid: number; readonly command: string }
  readonly witness: string
}
