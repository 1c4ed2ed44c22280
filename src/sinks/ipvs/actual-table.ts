import type { Destination, DestinationKey } from '../../model/destination.ts'
import type { DestinationReading, ExpectedKeys, IpvsTable, ServiceReading } from '../../model/ipvs-table.ts'
import { type ServiceIdentity, type ServiceKey, serviceKey, type VirtualService } from '../../model/virtual-service.ts'
import type { DestinationStep, ServiceStep } from './step.ts'

const NO_CONNECTIONS = { active: 0, inactive: 0, persistent: 0 }

/** A service as the kernel holds it: what was read, and over it what was written since. The reading itself is never touched. */
export class ActualService {
  readonly #reading: ServiceReading
  #service: VirtualService
  #size: number
  readonly #written = new Map<DestinationKey, Destination | 'deleted'>()

  constructor(reading: ServiceReading) {
    this.#reading = reading
    this.#service = reading.service
    this.#size = reading.destinations.size
  }

  get service(): VirtualService {
    return this.#service
  }

  get size(): number {
    return this.#size
  }

  destination(key: DestinationKey): Destination | undefined {
    if (this.#written.size === 0) return this.#reading.destinations.get(key)?.destination
    const written = this.#written.get(key)
    if (written === undefined) return this.#reading.destinations.get(key)?.destination
    return written === 'deleted' ? undefined : written
  }

  /** The measurements of the last read; they may be older than what `destination` says. */
  reading(key: DestinationKey): DestinationReading | undefined {
    return this.#reading.destinations.get(key)
  }

  *keys(): Generator<DestinationKey> {
    for (const key of this.#reading.destinations.keys()) if (this.#written.get(key) !== 'deleted') yield key
    for (const [key, written] of this.#written) if (written !== 'deleted' && !this.#reading.destinations.has(key)) yield key
  }

  editService(service: VirtualService): void {
    this.#service = service
  }

  setDestination(key: DestinationKey, destination: Destination): void {
    if (!this.destination(key)) this.#size += 1
    this.#written.set(key, destination)
  }

  deleteDestination(key: DestinationKey): void {
    if (this.destination(key)) this.#size -= 1
    this.#written.set(key, 'deleted')
  }

  /** The reading itself as long as nothing has been written over it. */
  get untouched(): ServiceReading | undefined {
    return this.#written.size === 0 && this.#service === this.#reading.service ? this.#reading : undefined
  }

  /** The reading with the writes in it. */
  current(): ServiceReading {
    if (this.untouched) return this.untouched
    const destinations = new Map<DestinationKey, DestinationReading>()
    for (const key of this.keys()) {
      const destination = this.destination(key)
      if (destination) destinations.set(key, { connections: NO_CONNECTIONS, ...this.#reading.destinations.get(key), destination })
    }
    return { ...this.#reading, service: this.#service, destinations }
  }
}

/** The whole table as it is believed to be. */
export class ActualTable {
  readonly #services = new Map<ServiceKey, ActualService>()
  /** The readings with the writes in them, one by one as they are asked for. */
  readonly current: Pick<IpvsTable, 'keys' | 'get'> = {
    keys: () => this.#services.keys(),
    get: (key) => this.#services.get(key)?.current(),
  }

  constructor(table: IpvsTable) {
    for (const [key, reading] of table) this.#services.set(key, new ActualService(reading))
  }

  get(key: ServiceKey): ActualService | undefined {
    return this.#services.get(key)
  }

  keys(): IterableIterator<ServiceKey> {
    return this.#services.keys()
  }

  /** Takes a fresh reading of the asked services: one that is not in it is gone. */
  refresh(asked: Iterable<ServiceIdentity>, table: IpvsTable): void {
    for (const identity of asked) {
      const key = serviceKey(identity)
      const reading = table.get(key)
      if (reading) this.#services.set(key, new ActualService(reading))
      else this.#services.delete(key)
    }
  }

  /** What is believed to be in some services, for a read that has to tell absent from missed. */
  expected(services: Iterable<ServiceIdentity>): ExpectedKeys {
    const expected = new Map<ServiceIdentity, ReadonlySet<DestinationKey>>()
    for (const identity of services) {
      const service = this.#services.get(serviceKey(identity))
      if (service) expected.set(identity, new Set(service.keys()))
    }
    return expected
  }

  /** Takes over what the kernel has accepted. */
  apply(service: ServiceKey, step: ServiceStep | DestinationStep): void {
    if (step.kind === 'destination') {
      const { key, change } = step
      if (change?.kind === 'delete-destination') this.#services.get(service)?.deleteDestination(key)
      else if (change) this.#services.get(service)?.setDestination(key, change.after)
      return
    }
    const { change } = step
    if (change?.kind === 'add-service') {
      this.#services.set(service, new ActualService({ service: change.after, destinations: new Map() }))
    } else if (change?.kind === 'edit-service') this.#services.get(service)?.editService(change.after)
    else if (change) this.#services.delete(service)
  }

  toTable(): IpvsTable {
    const table = new Map<ServiceKey, ServiceReading>()
    for (const [key, service] of this.#services) table.set(key, service.current())
    return table
  }
}
