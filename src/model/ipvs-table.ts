import { type AddressFamily, familyOf, type IpAddress } from './address.ts'
import type { Destination, DestinationKey } from './destination.ts'
import type { ServiceIdentity, ServiceKey, VirtualService } from './virtual-service.ts'

/** Totals since the object was made or zeroed, as the kernel's 64-bit statistics give them (`IPVS_*_ATTR_STATS64`). */
export interface TrafficCounters {
  readonly connections: bigint
  readonly packetsIn: bigint
  readonly packetsOut: bigint
  readonly bytesIn: bigint
  readonly bytesOut: bigint
}

/** Connections of a destination at the moment of the read. */
export interface ConnectionCounts {
  readonly active: number
  readonly inactive: number
  readonly persistent: number
}

/** A destination as read, with its measurements beside what is compared. */
export interface DestinationReading {
  readonly destination: Destination
  readonly connections: ConnectionCounts
  /** Only where the read asked for statistics. */
  readonly counters?: TrafficCounters
}

/** A service as read. */
export interface ServiceReading {
  readonly service: VirtualService
  readonly destinations: ReadonlyMap<DestinationKey, DestinationReading>
  readonly counters?: TrafficCounters
}

/** The whole table of one network namespace. */
export type IpvsTable = ReadonlyMap<ServiceKey, ServiceReading>

/** What is already believed to be in the table: a key that a dump misses is asked for again before it counts as absent. */
export type ExpectedKeys = ReadonlyMap<ServiceIdentity, ReadonlySet<DestinationKey>>

/** Kernel timeouts in seconds (`IPVS_CMD_ATTR_TIMEOUT_*`); 0 in a write leaves the kernel's value. */
export interface IpvsTimeouts {
  readonly tcp: number
  readonly tcpFin: number
  readonly udp: number
}

/** Connection synchronisation daemon (`IPVS_CMD_NEW_DAEMON`). */
export interface SyncDaemon {
  readonly role: 'master' | 'backup'
  readonly interface: string
  /** 0–255; a backup accepts only the id that it was given, 0 is any. */
  readonly id: number
  /** Bytes of the largest message; 0 is the kernel's own choice. */
  readonly maximumLength?: number
  readonly group?: string
  readonly port?: number
  readonly ttl?: number
}

/** Family of the multicast group that a sync daemon uses; the kernel's own group is an IPv4 one. */
export function groupFamily({ group }: Pick<SyncDaemon, 'group'>): AddressFamily {
  return group === undefined ? 'ipv4' : familyOf(group as IpAddress)
}

/**
 * Bytes to which the kernel limits the largest message of a daemon, in silence (start_sync_thread in ip_vs_sync.c): a backup
 * takes at least 1024, and headers of IP and UDP must fit into a packet beside it.
 */
export function messageLengths(daemon: Pick<SyncDaemon, 'role' | 'group'>): { readonly least: number; readonly most: number } {
  const headers = (groupFamily(daemon) === 'ipv4' ? 20 : 40) + 8
  return { least: daemon.role === 'backup' ? 1024 : 1, most: 65_535 - headers }
}
