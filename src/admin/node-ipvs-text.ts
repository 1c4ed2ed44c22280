import type { ServiceReading, TrafficCounters } from '../model/ipvs-table.ts'
import { type Family, familyHeader, labelText } from './exposition.ts'
import { familyText } from './family-text.ts'
import { Pace } from './pace.ts'

/** The names and labels of node_exporter's ipvs collector, for dashboards that are made for them. */
export const NODE_IPVS_TOTALS: readonly (Family & { readonly field: keyof TrafficCounters })[] = [
  total('connections_total', 'connections', 'Connections of all of IPVS in this network namespace.'),
  total('incoming_packets_total', 'packetsIn', 'Packets from clients.'),
  total('outgoing_packets_total', 'packetsOut', 'Packets to clients.'),
  total('incoming_bytes_total', 'bytesIn', 'Bytes from clients.'),
  total('outgoing_bytes_total', 'bytesOut', 'Bytes to clients.'),
]

export const NODE_IPVS_BACKENDS: readonly (Family & { readonly field: 'active' | 'inactive' | 'weight' })[] = [
  backend('connections_active', 'active', 'Active connections, by virtual and real address.'),
  backend('connections_inactive', 'inactive', 'Inactive connections, by virtual and real address.'),
  backend('weight', 'weight', 'Weight, by virtual and real address.'),
]

interface Series {
  active: number
  inactive: number
  weight: number
}

/** These services, ours or not, as node_exporter shows them. `totals`: absent where the kernel has none. */
export async function* nodeIpvsText(
  totals: TrafficCounters | undefined,
  services: Iterable<ServiceReading>,
): AsyncGenerator<string> {
  if (totals !== undefined) {
    yield NODE_IPVS_TOTALS.map((family) => `${familyHeader(family)}${family.name} ${totals[family.field]}\n`).join('')
  }
  const pace = new Pace()
  const all = new Map<string, Series>()
  for (const reading of services) {
    const local = localLabels(reading.service)
    for (const { destination, connections } of reading.destinations.values()) {
      const remote = { remote_address: destination.address, remote_port: `${destination.port}` }
      // One mark may have a service of each family, and tunnels from both to one real server: node_exporter adds them up.
      const labels = labelText({ ...local, ...remote })
      const { active = 0, inactive = 0, weight = 0 } = all.get(labels) ?? {}
      all.set(labels, {
        active: active + connections.active,
        inactive: inactive + connections.inactive,
        weight: weight + destination.weight,
      })
      if (pace.due()) await pace.rest()
    }
  }
  const list = [...all]
  for (const family of NODE_IPVS_BACKENDS) {
    yield* familyText(family, list, ([labels, series]) => `${family.name}{${labels}} ${series[family.field]}\n`, pace)
  }
}

/** As /proc/net/ip_vs writes them: the protocol in capitals, a mark as eight digits of base 16. */
function localLabels({ identity }: ServiceReading['service']): Record<string, string> {
  if (identity.kind === 'fwmark') {
    const mark = identity.fwmark.toString(16).toUpperCase().padStart(8, '0')
    return { local_address: '', local_port: '0', proto: 'FWM', local_mark: mark }
  }
  const { address, port, protocol } = identity
  return { local_address: address, local_port: `${port}`, proto: protocol.toUpperCase(), local_mark: '' }
}

function total(name: string, field: keyof TrafficCounters, help: string) {
  return { name: `node_ipvs_${name}`, type: 'counter', help, field } as const
}

function backend(name: string, field: 'active' | 'inactive' | 'weight', help: string) {
  return { name: `node_ipvs_backend_${name}`, type: 'gauge', help, field } as const
}
