import { serviceFamily } from '../../../src/model/virtual-service.ts'
import type { RandomTable } from './generate.ts'

/** Per feature, the share of the objects that have it: of services, or of destinations for forwarding and thresholds. */
export interface Coverage {
  readonly services: Readonly<Record<string, number>>
  readonly destinations: Readonly<Record<string, number>>
  /** How often each protocol met each family and each forwarding: `tcp ipv4 nat`. */
  readonly combinations: Readonly<Record<string, number>>
}

export const SERVICE_FEATURES = ['tcp', 'udp', 'sctp', 'fwmark', 'ipv4', 'ipv6', 'persistence', 'one-packet', 'flags'] as const
export const DESTINATION_FEATURES = ['nat', 'direct', 'tunnel ipip', 'tunnel gue', 'tunnel gre', 'thresholds'] as const
const PROTOCOLS = ['tcp', 'udp', 'sctp', 'fwmark'] as const
const FAMILIES = ['ipv4', 'ipv6'] as const
const FORWARDINGS = ['nat', 'direct', 'tunnel ipip', 'tunnel gue', 'tunnel gre'] as const

/** What a list of tables covers; everything that could be is named, so that what never came is seen as 0. */
export function coverageOf(tables: readonly RandomTable[]): Coverage {
  const services = counter(SERVICE_FEATURES)
  const destinations = counter(DESTINATION_FEATURES)
  const combinations = counter(
    PROTOCOLS.flatMap((protocol) => FAMILIES.flatMap((family) => FORWARDINGS.map((way) => `${protocol} ${family} ${way}`))),
  )
  for (const { services: all } of tables) {
    for (const service of all) {
      const protocol = service.identity.kind === 'fwmark' ? 'fwmark' : service.identity.protocol
      const family = serviceFamily(service.identity)
      const { flags } = service
      services.add([
        protocol,
        family,
        ...(service.persistence !== undefined && service.persistence !== 'none' ? ['persistence'] : []),
        ...(service.onePacket ? ['one-packet'] : []),
        ...(flags && (flags.flag1 || flags.flag2 || flags.flag3) ? ['flags'] : []),
      ])
      for (const { forwarding, upperThreshold = 0 } of service.destinations.values()) {
        const way = forwarding.method === 'tunnel' ? `tunnel ${forwarding.tunnel.type}` : forwarding.method
        destinations.add([way, ...(upperThreshold > 0 ? ['thresholds'] : [])])
        combinations.add([`${protocol} ${family} ${way}`])
      }
    }
  }
  return { services: services.shares(), destinations: destinations.shares(), combinations: combinations.counts() }
}

/** A table for people, one feature a line. */
export function coverageText({ services, destinations, combinations }: Coverage): string {
  const lines = [services, destinations].flatMap((shares) =>
    Object.entries(shares).map(([name, share]) => `${name.padEnd(12)} ${(share * 100).toFixed(1).padStart(5)} %`),
  )
  const rarest = Object.entries(combinations).sort(([, a], [, b]) => a - b)[0]
  return [...lines, `${Object.keys(combinations).length} combinations, the rarest ${rarest?.[0]} ${rarest?.[1]} times`].join('\n')
}

function counter(names: readonly string[]) {
  const counts = new Map(names.map((name) => [name, 0]))
  let total = 0
  return {
    add(features: readonly string[]) {
      total += 1
      for (const feature of features) counts.set(feature, (counts.get(feature) ?? 0) + 1)
    },
    counts: () => Object.fromEntries(counts),
    shares: () => Object.fromEntries([...counts].map(([name, count]) => [name, total === 0 ? 0 : count / total])),
  }
}
