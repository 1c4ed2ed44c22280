import type { DesiredState } from '../../model/desired-state.ts'
import type { DestinationKey } from '../../model/destination.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { Drain, OwnershipRecord } from '../../store/ownership.ts'
import type { ActualTable } from './actual-table.ts'
import { type Idleness, idleAfterRead } from './drain.ts'
import { objectName } from './work.ts'

const SHORTEST_INTERVAL = 1_000
const LONGEST_INTERVAL = 10_000
/** Reading for drains takes at most a twentieth of the time. */
const REST = 20

/** What the reads have shown of draining destinations, and when the next read is due. */
export class DrainWatch {
  #idleness = new Map<string, Idleness>()
  #nextRead: number | undefined

  /** Takes in a fresh read of the services with drains. `took`: milliseconds that it lasted. */
  observe(services: Iterable<ServiceKey>, record: OwnershipRecord, actual: ActualTable, now: number, took: number): void {
    const idleness = new Map<string, Idleness>()
    for (const service of services) {
      for (const key of record.services.get(service)?.drains.keys() ?? []) {
        const object = objectName(service, key)
        const reading = actual.get(service)?.reading(key)
        const idle = reading && idleAfterRead(this.#idleness.get(object), reading, now)
        if (idle) idleness.set(object, idle)
      }
    }
    this.#idleness = idleness
    this.#nextRead = now + Math.min(LONGEST_INTERVAL, Math.max(SHORTEST_INTERVAL, Math.round(took * REST)))
  }

  /** No active connection on two reads in a row. */
  isIdle(object: string): boolean {
    return this.#idleness.get(object)?.twice ?? false
  }

  /** When drains have to be looked at again; undefined when none can end by itself. */
  nextRead(drains: DrainingServices, now: number): number | undefined {
    if (drains.services.length === 0) {
      this.#nextRead = undefined
      return undefined
    }
    this.#nextRead ??= now + SHORTEST_INTERVAL
    return drains.firstDeadline > now ? Math.min(this.#nextRead, drains.firstDeadline) : this.#nextRead
  }

  isDue(now: number): boolean {
    return this.#nextRead === undefined || now >= this.#nextRead
  }
}

/** The services whose drains may end: not those with a source that has not answered, where nothing is removed. */
export interface DrainingServices {
  readonly services: readonly ServiceKey[]
  /** Destinations that drain, everywhere. */
  readonly draining: number
  readonly firstDeadline: number
}

const NO_DRAINS: ReadonlyMap<DestinationKey, Drain> = new Map()

export function drainingServices(record: OwnershipRecord, desired: DesiredState): DrainingServices {
  const services: ServiceKey[] = []
  let draining = 0
  let firstDeadline = Number.POSITIVE_INFINITY
  for (const key of record.draining) {
    const drains = record.services.get(key)?.drains ?? NO_DRAINS
    draining += drains.size
    if (desired.services.get(key)?.complete === false) continue
    services.push(key)
    for (const { deadline } of drains.values()) firstDeadline = Math.min(firstDeadline, deadline)
  }
  return { services, draining, firstDeadline }
}
