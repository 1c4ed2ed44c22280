import type { DesiredDestination, DesiredService } from '../../../src/model/desired-state.ts'
import { type Destination, type DestinationKey, destinationKey, forwardingText } from '../../../src/model/destination.ts'
import type { IpvsTable } from '../../../src/model/ipvs-table.ts'
import { type ServiceKey, serviceKey, type VirtualService } from '../../../src/model/virtual-service.ts'

interface ModelDestination {
  destination: Destination
  ours: boolean
}

interface ModelService {
  service: VirtualService
  ours: boolean
  readonly destinations: Map<DestinationKey, ModelDestination>
}

/**
 * What the table has to be and how many writes that may take, told by a second way of thinking: it knows nothing of
 * plans, passes and records, only where each object ends up and what the fewest steps there are.
 */
export class TableModel {
  readonly #services = new Map<ServiceKey, ModelService>()

  get(key: ServiceKey): ModelService | undefined {
    return this.#services.get(key)
  }

  addForeignService(service: VirtualService): void {
    this.#services.set(serviceKey(service.identity), { service, ours: false, destinations: new Map() })
  }

  addForeignDestination(key: ServiceKey, destination: Destination): void {
    this.#services.get(key)?.destinations.set(destinationKey(destination), { destination, ours: false })
  }

  deleteForeignDestination(key: ServiceKey, destination: DestinationKey): void {
    this.#services.get(key)?.destinations.delete(destination)
  }

  /** Services of ours that nobody wants and that only something foreign has kept: the fewest writes once it is gone. */
  dropDeserted(wanted: ReadonlySet<ServiceKey>): number {
    let writes = 0
    for (const [key, { ours, destinations }] of this.#services) {
      if (!ours || wanted.has(key) || destinations.size > 0) continue
      this.#services.delete(key)
      writes += 1
    }
    return writes
  }

  /** Goes to the next desired table, drains included, and tells the fewest writes that it can take. */
  goTo(desired: readonly DesiredService[]): number {
    let writes = 0
    const keys = new Set(desired.map(({ identity }) => serviceKey(identity)))
    for (const [key, held] of this.#services) if (held.ours && !keys.has(key)) writes += this.#leave(key, held)
    for (const service of desired) writes += this.#become(service)
    return writes
  }

  /** The table as a reading of the kernel has to give it. */
  table(): IpvsTable {
    const connections = { active: 0, inactive: 0, persistent: 0 }
    return new Map(
      [...this.#services].map(([key, { service, destinations }]) => {
        const readings = [...destinations].map(([name, { destination }]) => [name, { destination, connections }] as const)
        return [key, { service, destinations: new Map(readings) }]
      }),
    )
  }

  #leave(key: ServiceKey, held: ModelService): number {
    const ours = [...held.destinations.values()].filter((one) => one.ours)
    const holdsForeign = ours.length < held.destinations.size
    const zeroed = leavesAtOnce(held.service) ? 0 : ours.filter(({ destination }) => destination.weight !== 0).length
    for (const { destination } of ours) held.destinations.delete(destinationKey(destination))
    if (!holdsForeign) this.#services.delete(key)
    return zeroed + (holdsForeign ? ours.length : 1)
  }

  #become(desired: DesiredService): number {
    const key = serviceKey(desired.identity)
    const held = this.#services.get(key)
    const service = serviceAfter(desired, held?.service)
    let writes = held === undefined || serviceLine(held.service) !== serviceLine(service) ? 1 : 0
    const next: ModelService = held ?? { service, ours: true, destinations: new Map() }
    next.service = service
    next.ours = true
    this.#services.set(key, next)
    const named = [...desired.destinations.values()].filter(({ weight }) => weight !== 0 || !refusesAtZero(service))
    const names = new Set(named.map(destinationKey))
    for (const [name, one] of next.destinations) {
      if (!one.ours || names.has(name)) continue
      // A member that is named with a weight that its scheduler cannot bear goes at once, as under UDP.
      const atOnce = leavesAtOnce(service) || desired.destinations.has(name)
      writes += !atOnce && one.destination.weight !== 0 ? 2 : 1
      next.destinations.delete(name)
    }
    for (const one of named) writes += setDestination(next, service, one)
    return writes
  }
}

/** A table in one text per object, so that two can be compared and their differences read. */
export function linesOf(table: IpvsTable): string[] {
  const lines = [...table.values()].flatMap(({ service, destinations }) => [
    serviceLine(service),
    ...[...destinations.values()].map(({ destination }) => destinationLine(service, destination)),
  ])
  return lines.sort()
}

function serviceLine({ identity, scheduler, flags, onePacket, persistence }: VirtualService): string {
  const bits = [flags.flag1, flags.flag2, flags.flag3].map(Number).join('')
  const sticky = persistence ? ` persistent ${persistence.timeout}/${persistence.mask}/${persistence.engine ?? '-'}` : ''
  return `${serviceKey(identity)} ${scheduler} ${bits}${onePacket ? ' one-packet' : ''}${sticky}`
}

function destinationLine(service: Pick<VirtualService, 'identity'>, destination: Destination): string {
  const { forwarding, weight, upperThreshold, lowerThreshold } = destination
  return `${serviceKey(service.identity)} -> ${destinationKey(destination)} ${forwardingText(forwarding)} ${weight} ${upperThreshold}/${lowerThreshold}`
}

function setDestination(held: ModelService, service: VirtualService, desired: DesiredDestination): number {
  const known = held.destinations.get(destinationKey(desired))
  const upperThreshold = desired.upperThreshold ?? known?.destination.upperThreshold ?? 0
  const destination: Destination = {
    address: desired.address,
    port: desired.port,
    forwarding: desired.forwarding,
    weight: desired.weight,
    upperThreshold,
    lowerThreshold: desired.lowerThreshold ?? Math.min(known?.destination.lowerThreshold ?? 0, upperThreshold),
  }
  held.destinations.set(destinationKey(desired), { destination, ours: true })
  return known !== undefined && destinationLine(service, known.destination) === destinationLine(service, destination) ? 0 : 1
}

function serviceAfter(desired: DesiredService, held: VirtualService | undefined): VirtualService {
  const kept = held?.flags ?? { flag1: false, flag2: false, flag3: false }
  const fallback = desired.scheduler === 'sh' || desired.scheduler === 'mh'
  const persistence = desired.persistence ?? held?.persistence ?? 'none'
  return {
    identity: desired.identity,
    scheduler: desired.scheduler,
    flags: desired.flags ?? { ...kept, flag1: kept.flag1 || fallback },
    onePacket: desired.onePacket ?? held?.onePacket ?? false,
    ...(persistence === 'none' ? {} : { persistence }),
  }
}

function refusesAtZero({ scheduler, flags }: VirtualService): boolean {
  return scheduler === 'dh' || (['sh', 'mh'].includes(scheduler) && !flags.flag1)
}

function leavesAtOnce(service: VirtualService): boolean {
  const udp = service.identity.kind === 'address' && service.identity.protocol === 'udp'
  return udp || service.onePacket || refusesAtZero(service)
}
