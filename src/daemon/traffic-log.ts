import type { SchedulerLike, Subscription } from 'rxjs'
import { TrafficDeltas, type TrafficLine, type WatchedTraffic } from '../admin/traffic-deltas.ts'
import type { IpvsTable } from '../model/ipvs-table.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import { type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import { asPointsmanError } from './passes.ts'

export interface TrafficLogOptions {
  /** The whole table with its statistics; may reject. */
  readonly read: () => Promise<IpvsTable>
  readonly write: (line: TrafficLine) => void
  /** Told when the kernel cannot be read, once until it can be again. */
  readonly onFailure: (sentence: string) => void
  readonly scheduler: SchedulerLike
}

/** Writes what services with a `traffic_log` have done, an interval after the other. While there is none it reads nothing and waits for nothing. */
export class TrafficLog implements Disposable {
  readonly #options: TrafficLogOptions
  readonly #deltas = new TrafficDeltas()
  #timer: Subscription | undefined
  #reading = false
  #failed = false
  #disposed = false

  constructor(options: TrafficLogOptions) {
    this.#options = options
  }

  /** Told of the services whenever they are others. */
  follow(services: readonly ServiceSpec[]): void {
    const watched = new Map<ServiceKey, WatchedTraffic>()
    for (const { name, identity, trafficLog } of services)
      if (trafficLog !== undefined) watched.set(serviceKey(identity), { name, identity, log: trafficLog })
    this.#deltas.follow(watched, this.#options.scheduler.now())
    this.#arrange()
  }

  [Symbol.dispose](): void {
    this.#disposed = true
    this.#timer?.unsubscribe()
  }

  #arrange(): void {
    if (this.#reading || this.#disposed) return
    const { scheduler } = this.#options
    const now = scheduler.now()
    const dueAt = this.#deltas.dueAt(now)
    this.#timer?.unsubscribe()
    this.#timer = dueAt === undefined ? undefined : scheduler.schedule(() => void this.#take(), Math.max(0, dueAt - now))
  }

  async #take(): Promise<void> {
    const { read, write, onFailure, scheduler } = this.#options
    this.#reading = true
    try {
      const table = await read()
      for await (const line of this.#deltas.take(table, scheduler.now())) write(line)
      this.#failed = false
    } catch (error) {
      if (!this.#failed) onFailure(asPointsmanError(error).message)
      this.#failed = true
    }
    this.#reading = false
    // What could not be read is read after a while, and then counted as one longer interval.
    if (this.#failed && !this.#disposed) this.#timer = scheduler.schedule(() => void this.#take(), RETRY)
    else this.#arrange()
  }
}

/** Milliseconds from a reading that failed to the next one. */
const RETRY = 10_000
