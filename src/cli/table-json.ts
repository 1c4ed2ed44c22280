import type { KernelNow } from '../daemon/one-shot.ts'
import { forwardingText } from '../model/destination.ts'
import type { DestinationReading, ServiceReading } from '../model/ipvs-table.ts'

/** What the kernel holds, for programs: attributes and measurements, nothing left out. */
export function tableJson({ table, timeouts, syncDaemons, names }: KernelNow): Record<string, unknown> {
  return {
    services: [...table].map(([key, reading]) => serviceJson(key, names.get(key), reading)),
    timeouts,
    sync_daemons: syncDaemons,
  }
}

function serviceJson(key: string, name: string | undefined, reading: ServiceReading): Record<string, unknown> {
  const { service } = reading
  return {
    key,
    ...(name !== undefined && { name }),
    ...service.identity,
    scheduler: service.scheduler,
    flags: service.flags,
    one_packet: service.onePacket,
    ...(service.persistence !== undefined && { persistence: service.persistence }),
    destinations: [...reading.destinations].map(([destination, each]) => destinationJson(destination, each)),
  }
}

function destinationJson(key: string, { destination, connections }: DestinationReading): Record<string, unknown> {
  return {
    key,
    address: destination.address,
    port: destination.port,
    forwarding: forwardingText(destination.forwarding),
    weight: destination.weight,
    upper_threshold: destination.upperThreshold,
    lower_threshold: destination.lowerThreshold,
    active: connections.active,
    inactive: connections.inactive,
    persistent: connections.persistent,
  }
}
