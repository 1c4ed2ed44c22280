import { parseAddress } from '../../../src/model/address.ts'
import { type DestinationKey, destinationKey } from '../../../src/model/destination.ts'
import type { DestinationReading, ServiceReading, TrafficCounters } from '../../../src/model/ipvs-table.ts'
import { type ServiceIdentity, type ServiceKey, serviceKey } from '../../../src/model/virtual-service.ts'

export const WEB: ServiceIdentity = { kind: 'address', protocol: 'tcp', address: address('10.0.0.1'), port: 80 }

export function address(text: string) {
  const parsed = parseAddress(text)
  if (parsed === undefined) throw new Error(`not an address: ${text}`)
  return parsed
}

/** All five totals derived from one number, so that a mix-up between fields shows. */
export function counters(n: bigint): TrafficCounters {
  return { connections: n, packetsIn: n * 2n, packetsOut: n * 3n, bytesIn: n * 5n, bytesOut: n * 7n }
}

export function destination(host: string, n: bigint, options: { weight?: number; active?: number } = {}): DestinationReading {
  return {
    destination: {
      address: address(host),
      port: 8080,
      forwarding: { method: 'nat' },
      weight: options.weight ?? 1,
      upperThreshold: 0,
      lowerThreshold: 0,
    },
    connections: { active: options.active ?? 0, inactive: 2, persistent: 0 },
    counters: counters(n),
  }
}

export function service(identity: ServiceIdentity, n: bigint, destinations: readonly DestinationReading[]): ServiceReading {
  return {
    service: { identity, scheduler: 'wlc', flags: { flag1: false, flag2: false, flag3: false }, onePacket: false },
    destinations: new Map<DestinationKey, DestinationReading>(
      destinations.map((reading) => [destinationKey(reading.destination), reading]),
    ),
    counters: counters(n),
  }
}

export function table(...services: ServiceReading[]): Map<ServiceKey, ServiceReading> {
  return new Map(services.map((reading) => [serviceKey(reading.service.identity), reading]))
}

/** One service with as many backends as asked for. */
export function largeTable(backends: number): Map<ServiceKey, ServiceReading> {
  const list = Array.from({ length: backends }, (_, i) =>
    destination(`10.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`, BigInt(i)),
  )
  return table(service(WEB, 1n, list))
}
