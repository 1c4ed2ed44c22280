import type { DesiredService } from '../model/desired-state.ts'
import type { IpvsTable, ServiceReading, TrafficCounters } from '../model/ipvs-table.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { Metrics } from './metrics.ts'
import { nodeIpvsText } from './node-ipvs-text.ts'
import { Pace } from './pace.ts'
import { DesiredHashes } from './state-hash.ts'
import { type ServiceStates, stateText } from './state-text.ts'
import { TrafficLedger, type TrafficView } from './traffic-ledger.ts'
import { trafficText } from './traffic-text.ts'
import { type Translated, translationText } from './translation-text.ts'

/** Where the series of services and backends come from. */
export interface TrafficInput {
  /** The table with its statistics; may reject. */
  read(): Promise<IpvsTable>
  /** The names of our services. */
  names(): ReadonlyMap<ServiceKey, string>
  /** The states of the backends of our services. */
  states(): Iterable<ServiceStates>
  readonly perBackend: boolean
  /** Services with source NAT; may reject. */
  translated?(): Promise<Iterable<Translated>>
  /** Tells the metrics what is looked up for each answer. */
  lookUp?(): void
  /** What should be in the kernel; undefined: that is not known yet. */
  desired?(): ReadonlyMap<ServiceKey, DesiredService> | undefined
  /** The totals of all of IPVS, for who wants the names of node_exporter as well; undefined where there are none. */
  nodeIpvs?(): TrafficCounters | undefined
  /** Whether a service is there for probes alone, so that nobody is to see it; left out: none is. */
  isForProbes?(service: ServiceKey): boolean
}

/** Milliseconds a scrape waits for the kernel; Prometheus gives up after ten seconds. */
const PATIENCE = 8_000

/** Milliseconds for which one reading serves every scrape: two Prometheus servers cost one read. */
const READING_LASTS = 1_000

/** Nobody wants the whole table: it need not be kept. */
const NO_TABLE: IpvsTable = new Map()

interface Reading {
  readonly seen: Promise<Seen>
  /** Moment of the monotonic clock up to which it serves; for ever while the kernel is still being read. */
  until: number
}

interface Seen {
  readonly view: TrafficView
  readonly table: IpvsTable
}

/** Composes the answer of `/metrics`. Whatever fails is left out and counted, the rest is there. */
export class Scrape {
  readonly #metrics: Metrics
  readonly #input: TrafficInput
  readonly #ledger: TrafficLedger
  readonly #desiredHashes = new DesiredHashes()
  #reading: Reading | undefined

  constructor(metrics: Metrics, input: TrafficInput) {
    this.#metrics = metrics
    this.#input = input
    this.#ledger = new TrafficLedger(input.perBackend)
  }

  async *text(): AsyncGenerator<string> {
    try {
      const { view, table } = await within(PATIENCE, this.#seen())
      this.#metrics.stateHash('actual', view.hash)
      yield* trafficText(view)
      if (this.#input.nodeIpvs !== undefined) yield* nodeIpvsText(this.#input.nodeIpvs(), shown(table, this.#input))
    } catch {
      this.#metrics.stateHash('actual', undefined)
      this.#metrics.scrapeFailed('traffic')
    }
    try {
      if (this.#input.perBackend) yield* stateText(this.#input.states())
    } catch {
      this.#metrics.scrapeFailed('states')
    }
    try {
      const translated = this.#input.translated?.()
      if (translated !== undefined) yield* translationText(await within(PATIENCE, translated))
    } catch {
      this.#metrics.scrapeFailed('translations')
    }
    this.#input.lookUp?.()
    const desired = this.#input.desired?.()
    this.#metrics.stateHash('desired', desired && (await this.#desiredHashes.of(desired, new Pace())))
    yield await this.#metrics.text()
  }

  /** Readings never overlap: the ledger must see them in the order in which the kernel gave them. */
  #seen(): Promise<Seen> {
    const last = this.#reading
    if (last !== undefined && performance.now() < last.until) return last.seen
    const reading: Reading = { seen: this.#read(), until: Number.POSITIVE_INFINITY }
    this.#reading = reading
    const ended = (): void => {
      reading.until = performance.now() + READING_LASTS
    }
    reading.seen.then(ended, ended)
    return reading.seen
  }

  async #read(): Promise<Seen> {
    const table = await this.#input.read()
    const desired = this.#input.desired?.()
    const view = await this.#ledger.take(table, this.#input.names(), (key) => desired?.get(key)?.weightScale ?? 1)
    return { view, table: this.#input.nodeIpvs === undefined ? NO_TABLE : table }
  }
}

/** The table as people know it. */
function* shown(table: IpvsTable, { isForProbes }: Pick<TrafficInput, 'isForProbes'>): Generator<ServiceReading> {
  for (const [key, reading] of table) if (isForProbes?.(key) !== true) yield reading
}

/** Rejects where it takes longer. */
export function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('The kernel did not answer in time.')), milliseconds)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
