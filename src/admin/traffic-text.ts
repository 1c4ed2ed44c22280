import type { TrafficCounters } from '../model/ipvs-table.ts'
import type { Family } from './exposition.ts'
import { familyText } from './family-text.ts'
import { Pace } from './pace.ts'
import type { BackendSeries, ServiceSeries, TrafficView } from './traffic-ledger.ts'
import { type TrueCounters, totals } from './true-counters.ts'

interface SeriesFamily<S> extends Family {
  /** The value as text; undefined: this series has no such line. */
  readonly value: (series: S) => string | undefined
}

const counter =
  (field: keyof TrafficCounters) =>
  ({ counters }: { readonly counters: TrueCounters | undefined }): string | undefined =>
    counters === undefined ? undefined : `${totals(counters)[field]}`

const counterFamilies = (of: 'service' | 'backend'): SeriesFamily<{ readonly counters: TrueCounters | undefined }>[] => [
  {
    name: `pointsman_${of}_connections_total`,
    type: 'counter',
    help: `Connections that the kernel scheduled to the ${of}.`,
    value: counter('connections'),
  },
  {
    name: `pointsman_${of}_incoming_packets_total`,
    type: 'counter',
    help: `Packets from clients to the ${of}.`,
    value: counter('packetsIn'),
  },
  {
    name: `pointsman_${of}_outgoing_packets_total`,
    type: 'counter',
    help: `Packets from the ${of} to clients; 0 where replies do not pass the director.`,
    value: counter('packetsOut'),
  },
  {
    name: `pointsman_${of}_incoming_bytes_total`,
    type: 'counter',
    help: `Bytes from clients to the ${of}.`,
    value: counter('bytesIn'),
  },
  {
    name: `pointsman_${of}_outgoing_bytes_total`,
    type: 'counter',
    help: `Bytes from the ${of} to clients; 0 where replies do not pass the director.`,
    value: counter('bytesOut'),
  },
]

export const SERVICE_FAMILIES: readonly SeriesFamily<ServiceSeries>[] = [
  {
    name: 'pointsman_service_backends',
    type: 'gauge',
    help: 'Destinations that the kernel holds for the service, drained ones included.',
    value: (service) => `${service.backends}`,
  },
  {
    name: 'pointsman_service_weight',
    type: 'gauge',
    help: "Sum of the weights of its destinations, with slow_start a hundredth of the kernel's: 0 means that nobody gets new connections.",
    value: (service) => `${service.weight}`,
  },
  {
    name: 'pointsman_service_active_connections',
    type: 'gauge',
    help: 'Active connections of all its destinations.',
    value: (service) => `${service.active}`,
  },
  {
    name: 'pointsman_service_inactive_connections',
    type: 'gauge',
    help: 'Inactive connections of all its destinations.',
    value: (service) => `${service.inactive}`,
  },
  ...counterFamilies('service'),
]

export const BACKEND_FAMILIES: readonly SeriesFamily<BackendSeries>[] = [
  {
    name: 'pointsman_backend_weight',
    type: 'gauge',
    help: 'Weight in the kernel, with slow_start a hundredth of it; 0 gets no new connections.',
    value: (backend) => `${backend.weight}`,
  },
  {
    name: 'pointsman_backend_active_connections',
    type: 'gauge',
    help: 'Active connections.',
    value: (backend) => `${backend.active}`,
  },
  {
    name: 'pointsman_backend_inactive_connections',
    type: 'gauge',
    help: 'Inactive connections.',
    value: (backend) => `${backend.inactive}`,
  },
  ...counterFamilies('backend'),
]

/** The series of services and backends, piece by piece. */
export async function* trafficText(view: TrafficView): AsyncGenerator<string> {
  const pace = new Pace()
  for (const family of SERVICE_FAMILIES) yield* familyText(family, view.services, lineOf(family), pace)
  for (const family of BACKEND_FAMILIES) yield* familyText(family, view.backends, lineOf(family), pace)
}

function lineOf<S extends { readonly labels: string }>({ name, value }: SeriesFamily<S>): (series: S) => string {
  return (series) => {
    const text = value(series)
    return text === undefined ? '' : `${name}{${series.labels}} ${text}\n`
  }
}
