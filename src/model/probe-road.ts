import type { Brand } from './brand.ts'
import type { DestinationKey } from './destination.ts'
import type { ServiceKey } from './virtual-service.ts'

/** Firewall marks, both ends included. */
export interface MarkRange {
  readonly from: number
  readonly to: number
}

/**
 * One backend of one service, as the name of the fwmark service through which probes reach it at the service's own address. The
 * record of what is ours knows such services by these names, and people are not shown them.
 */
export type RoadName = Brand<string, 'RoadName'>

export function roadName(service: ServiceKey, backend: DestinationKey): RoadName {
  return `probe of ${backend} through ${service}` as RoadName
}

/** Whether a service of this name carries probes alone; no service of a configuration can be called so. */
export function isRoadName(name: string): name is RoadName {
  return /^probe of \S+ through (tcp|udp|sctp)\/\S+$/.test(name)
}
