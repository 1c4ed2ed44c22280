import { writeForwarding } from '../document/forwarding-schema.ts'
import { formatDuration } from '../document/values/duration.ts'
import { addressFromBytes, formatEndpoint } from '../model/address.ts'
import type { Destination } from '../model/destination.ts'
import type { IpvsTable, IpvsTimeouts, SyncDaemon } from '../model/ipvs-table.ts'
import {
  type SchedulerFlags,
  type ServiceKey,
  serviceFamily,
  singleClientMask,
  type VirtualService,
} from '../model/virtual-service.ts'
import { identityKeys } from './identity.ts'
import { type Imported, type ImportedService, type Place, present, type Written } from './imported.ts'
import { TABLE_DEFAULTS, TABLE_HEAD } from './ipvsadm.ts'
import { withPortThatCounts } from './ports.ts'

/** What the kernel holds at a moment. */
export interface LiveTable {
  readonly table: IpvsTable
  readonly timeouts: IpvsTimeouts
  readonly syncDaemons: readonly SyncDaemon[]
  /** Of services that have one. */
  readonly names: ReadonlyMap<ServiceKey, string>
}

const PLACE: Place = { file: 'the live table' }

/** The kernel's table as a configuration, as if it had been saved by ipvsadm; thresholds, which that does not write, included. */
export function importLiveTable({ table, timeouts, syncDaemons, names }: LiveTable): Imported {
  const services = [...table].map(([key, { service, destinations }]): ImportedService => {
    const written = writeService(service, names.get(key) ?? key)
    const backends = [...destinations.values()].map(({ destination }) => {
      const backend = writeDestination(destination)
      return withPortThatCounts({ place: PLACE, written: backend, notes: [] }, written['listen'], backend['forwarding'])
    })
    return { place: PLACE, written, backends, notes: [] }
  })
  const ipvs = present({
    tcp_timeout: seconds(timeouts.tcp),
    tcp_fin_timeout: seconds(timeouts.tcpFin),
    udp_timeout: seconds(timeouts.udp),
    sync_daemons: syncDaemons.length > 0 ? syncDaemons.map(writeSyncDaemon) : undefined,
  })
  return {
    head: ['Made by `pointsman import ipvsadm` of the live table.', ...TABLE_HEAD],
    global: Object.keys(ipvs).length > 0 ? { ipvs } : {},
    defaults: TABLE_DEFAULTS,
    services,
    leftOut: [],
  }
}

function seconds(value: number): string | undefined {
  return value === 0 ? undefined : formatDuration(value * 1000)
}

function writeService(service: VirtualService, name: string): Written {
  const { identity, scheduler, flags, onePacket } = service
  const names = flagNames(flags)
  return present({
    name,
    ...identityKeys(identity),
    scheduler,
    // Left out, sh and mh would get their fallback.
    flags: names.length > 0 || scheduler === 'sh' || scheduler === 'mh' ? names : undefined,
    one_packet: onePacket ? true : undefined,
    persistence: writePersistence(service),
  })
}

/** The names that every scheduler takes. */
function flagNames({ flag1, flag2, flag3 }: SchedulerFlags): string[] {
  return [...(flag1 ? ['flag-1'] : []), ...(flag2 ? ['flag-2'] : []), ...(flag3 ? ['flag-3'] : [])]
}

function writePersistence({ identity, persistence }: VirtualService): unknown {
  if (persistence === undefined) return undefined
  const { timeout, mask, engine } = persistence
  const family = serviceFamily(identity)
  const narrow = mask === singleClientMask(family)
  if (narrow && engine === undefined) return formatDuration(timeout * 1000)
  const netmask = addressFromBytes(Uint8Array.of(mask >>> 24, mask >>> 16, mask >>> 8, mask))
  const width = narrow ? {} : family === 'ipv6' ? { prefix_length: mask } : { netmask }
  return { timeout: formatDuration(timeout * 1000), ...width, ...(engine !== undefined && { engine }) }
}

function writeDestination(destination: Destination): Written {
  const { address, port, forwarding, weight, upperThreshold, lowerThreshold } = destination
  return present({
    address: formatEndpoint(address, port),
    weight,
    forwarding: forwarding.method === 'nat' ? undefined : writeForwarding(forwarding),
    upper_threshold: upperThreshold || undefined,
    lower_threshold: lowerThreshold || undefined,
  })
}

/** A zero is the kernel's own choice. */
function writeSyncDaemon({ role, interface: device, id, maximumLength, group, port, ttl }: SyncDaemon): Written {
  return present({
    role,
    interface: device,
    id,
    maximum_length: maximumLength || undefined,
    group,
    port: port || undefined,
    ttl: ttl || undefined,
  })
}
