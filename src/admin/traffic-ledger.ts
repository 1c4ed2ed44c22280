import type { DestinationKey } from '../model/destination.ts'
import type { DestinationReading, IpvsTable, ServiceReading } from '../model/ipvs-table.ts'
import { type ServiceIdentity, type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import { labelText } from './exposition.ts'
import { Pace } from './pace.ts'
import { StateHash } from './state-hash.ts'
import { countOn, type TrueCounters } from './true-counters.ts'

/** One line of every backend family. */
export interface BackendSeries {
  labels: string
  weight: number
  active: number
  inactive: number
  counters: TrueCounters | undefined
}

/** One line of every service family; sums are over the destinations that the kernel holds. */
export interface ServiceSeries {
  labels: string
  backends: number
  weight: number
  active: number
  inactive: number
  counters: TrueCounters | undefined
}

/** What one scrape shows; the lists stay as they are while a later reading makes new ones. */
export interface TrafficView {
  readonly services: readonly ServiceSeries[]
  readonly backends: readonly BackendSeries[]
  /** Of our services and what they hold. */
  readonly hash: number
}

interface KnownService {
  name: string
  series: ServiceSeries
  backends: Map<DestinationKey, BackendSeries>
}

/**
 * Remembers the kernel's totals from one reading to the next. An object that a reading no longer shows is forgotten,
 * and its series with it.
 */
export class TrafficLedger {
  readonly #perBackend: boolean
  #known = new Map<ServiceKey, KnownService>()

  constructor(perBackend: boolean) {
    this.#perBackend = perBackend
  }

  /**
   * Takes a reading; services that `names` does not name are not ours and get no series. `scaleOf`: what the weights of a service are multiplied by in
   * the kernel; people see them without it.
   */
  async take(
    table: IpvsTable,
    names: ReadonlyMap<ServiceKey, string>,
    scaleOf: (service: ServiceKey) => number = () => 1,
  ): Promise<TrafficView> {
    const pace = new Pace()
    const known = new Map<ServiceKey, KnownService>()
    const services: ServiceSeries[] = []
    const backends: BackendSeries[] = []
    const hash = new StateHash()
    for (const [key, reading] of table) {
      const name = names.get(key)
      if (name === undefined) continue
      const service = await this.#takeService(this.#known.get(key), { name, reading, scale: scaleOf(key) }, pace)
      known.set(key, service)
      hash.addService(key, reading.service.scheduler)
      for (const [destination, read] of reading.destinations) {
        hash.addDestination(key, destination, read.destination)
        if (pace.due()) await pace.rest()
      }
      services.push(service.series)
      for (const series of service.backends.values()) backends.push(series)
    }
    this.#known = known
    return { services, backends, hash: hash.value }
  }

  async #takeService(old: KnownService | undefined, { name, reading, scale }: Taken, pace: Pace): Promise<KnownService> {
    const renamed = old !== undefined && old.name !== name
    const labels = old === undefined || renamed ? serviceLabels(name, reading.service.identity) : undefined
    const series = seriesOf(old?.series, labels && labelText(labels), reading.counters)
    const service: KnownService = { name, series: { ...series, backends: 0, weight: 0 }, backends: new Map() }
    for (const [key, destination] of reading.destinations) {
      addUp(service.series, destination, scale)
      if (this.#perBackend) {
        const known = old?.backends.get(key)
        const backendLabels =
          known && !renamed ? undefined : labelText({ ...serviceLabels(name, reading.service.identity), backend: key })
        service.backends.set(key, backendSeries(known, backendLabels, destination, scale))
      }
      if (pace.due()) await pace.rest()
    }
    return service
  }
}

interface Taken {
  readonly name: string
  readonly reading: ServiceReading
  readonly scale: number
}

/** The labels of a service, as a type that a label list may be made of. */
export type ServiceLabels = { readonly service: string; readonly vip: string; readonly protocol: string }

export function serviceLabels(name: string, identity: ServiceIdentity): ServiceLabels {
  const key = serviceKey(identity)
  if (identity.kind === 'fwmark') return { service: name, vip: key, protocol: 'fwmark' }
  return { service: name, vip: key.slice(identity.protocol.length + 1), protocol: identity.protocol }
}

function seriesOf(
  old: { labels: string; counters: TrueCounters | undefined } | undefined,
  labels: string | undefined,
  reading: ServiceReading['counters'],
): { labels: string; active: number; inactive: number; counters: TrueCounters | undefined } {
  return {
    labels: labels ?? old?.labels ?? '',
    active: 0,
    inactive: 0,
    counters: reading === undefined ? old?.counters : countOn(old?.counters, reading),
  }
}

function backendSeries(
  old: BackendSeries | undefined,
  labels: string | undefined,
  reading: DestinationReading,
  scale: number,
): BackendSeries {
  const series = seriesOf(old, labels, reading.counters)
  return {
    labels: series.labels,
    weight: reading.destination.weight / scale,
    active: reading.connections.active,
    inactive: reading.connections.inactive,
    counters: series.counters,
  }
}

function addUp(service: ServiceSeries, { destination, connections }: DestinationReading, scale: number): void {
  service.backends += 1
  service.weight += destination.weight / scale
  service.active += connections.active
  service.inactive += connections.inactive
}
