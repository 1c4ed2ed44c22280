import type { IpvsTable } from '../model/ipvs-table.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { Metrics } from './metrics.ts'
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
}

/** Milliseconds a scrape waits for the kernel; Prometheus gives up after ten seconds. */
const PATIENCE = 8_000

/** Milliseconds for which one reading serves every scrape: two Prometheus servers cost one read. */
const READING_LASTS = 1_000

interface Reading {
  readonly view: Promise<TrafficView>
  /** Moment of the monotonic clock up to which it serves; for ever while the kernel is still being read. */
  until: number
}

/** Composes the answer of `/metrics`. Whatever fails is left out and counted, the rest is there. */
export class Scrape {
  readonly #metrics: Metrics
  readonly #input: TrafficInput
  readonly #ledger: TrafficLedger
  #reading: Reading | undefined

  constructor(metrics: Metrics, input: TrafficInput) {
    this.#metrics = metrics
    this.#input = input
    this.#ledger = new TrafficLedger(input.perBackend)
  }

  async *text(): AsyncGenerator<string> {
    try {
      const view = await within(PATIENCE, this.#view())
      yield* trafficText(view)
    } catch {
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
    yield await this.#metrics.text()
  }

  /** Readings never overlap: the ledger must see them in the order in which the kernel gave them. */
  #view(): Promise<TrafficView> {
    const last = this.#reading
    if (last !== undefined && performance.now() < last.until) return last.view
    const reading: Reading = { view: this.#read(), until: Number.POSITIVE_INFINITY }
    this.#reading = reading
    const ended = (): void => {
      reading.until = performance.now() + READING_LASTS
    }
    reading.view.then(ended, ended)
    return reading.view
  }

  async #read(): Promise<TrafficView> {
    return this.#ledger.take(await this.#input.read(), this.#input.names())
  }
}

function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('The kernel did not answer in time.')), milliseconds)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
