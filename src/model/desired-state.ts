import type { ChunkedMap } from './chunked-map.ts'
import type { Destination, DestinationKey, Forwarding } from './destination.ts'
import type { IpvsTimeouts, SyncDaemon } from './ipvs-table.ts'
import type { SourceNat } from './source-nat.ts'
import type { Persistence, SchedulerFlags, ServiceIdentity, ServiceKey } from './virtual-service.ts'

/** One destination that should be in the kernel, and why its weight is what it is. Attributes left out are not ours. */
export interface DesiredDestination {
  readonly address: Destination['address']
  readonly port: Destination['port']
  readonly forwarding: Forwarding
  readonly weight: number
  readonly upperThreshold?: number
  readonly lowerThreshold?: number
  /** The chain that led here, the last word first: `["configured weight 5"]`. */
  readonly reasons: readonly string[]
}

/** One virtual service that should be in the kernel. Attributes left out are not ours: whatever the kernel holds stays. */
export interface DesiredService {
  readonly name: string
  readonly identity: ServiceIdentity
  readonly scheduler: string
  readonly flags?: SchedulerFlags
  readonly onePacket?: boolean
  readonly persistence?: Persistence | 'none'
  readonly destinations: ChunkedMap<DestinationKey, DesiredDestination>
  /**
   * Whether `destinations` is everything that should be there. False while a source has not answered: what is listed
   * is added, nothing is removed.
   */
  readonly complete: boolean
  /** Milliseconds that a leaving destination may take. */
  readonly drainTimeout: number
  /** `never`: a service that exists already and is not ours is left as it is. */
  readonly adopt: 'named' | 'all' | 'never'
  /** Destinations that become ours beside the named ones where they are foreign, to leave. Absent: none. */
  readonly adoptAlso?: ReadonlySet<DestinationKey>
  /** Destinations that are not to be there and do not drain: they are deleted at once. With the reasons. Absent: none. */
  readonly cut?: ReadonlyMap<DestinationKey, readonly string[]>
  /** What all weights in `destinations` are multiplied by; people are shown the weight without it. Absent: 1. */
  readonly weightScale?: number
  /** Backends see the director as the source of its connections. Absent: they see the client. */
  readonly sourceNat?: SourceNat
  /** Its address is to be on an interface of the director. Absent: whoever wants it there puts it there. */
  readonly virtualAddress?: WantedAddress
}

/** Where the address of a service is to be. */
export interface WantedAddress {
  /** By name. Absent: that of the prefix which has the address in it, else one of our own. */
  readonly interface?: string
  readonly announced: Announced
}

/**
 * Whether clients are to reach a service here (`announce_when`). False: for now nobody is, so its address is taken away. `undecided`: it
 * stays where it is ours, and does not come where it is not.
 */
export type Announced = boolean | 'undecided'

/** What the kernel should hold. A service whose object is the same as in the state before has not changed. */
export interface DesiredState {
  readonly services: ReadonlyMap<ServiceKey, DesiredService>
  /**
   * Services that are not listed and may be wanted all the same, because who could say so has not answered: if they are ours
   * they are left alone.
   */
  readonly undecided?: ReadonlySet<ServiceKey>
  /** Absent: not ours. */
  readonly timeouts?: Partial<IpvsTimeouts>
  /** Absent: not ours; an empty list stops daemons that we started. */
  readonly syncDaemons?: readonly SyncDaemon[]
}
