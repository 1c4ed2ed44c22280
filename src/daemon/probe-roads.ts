import type { RuleMark } from '../kernel/for-daemon.ts'
import { familyOf, type IpAddress } from '../model/address.ts'
import { ChunkedMap } from '../model/chunked-map.ts'
import type { DesiredDestination, DesiredService } from '../model/desired-state.ts'
import { type DestinationKey, type Forwarding, sameForwarding } from '../model/destination.ts'
import { type MarkRange, type RoadName, roadName } from '../model/probe-road.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import { type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import type { Member, ServiceProvenance } from '../pipeline/desired-update.ts'
import type { OwnershipRecord } from '../store/ownership.ts'

/** How a probe reaches one backend at the address of its service: by a mark that one fwmark service with that backend alone takes. */
export interface Road {
  readonly name: RoadName
  readonly mark: number
  readonly service: DesiredService
  /** Of `service`. */
  readonly key: ServiceKey
  readonly backend: DestinationKey
  /** The backend's own address. */
  readonly towards: IpAddress
  readonly forwarding: Forwarding
}

/** What marks must not be given. */
export interface TakenMarks {
  /** Of fwmark services that do not carry our probes. */
  readonly services: ReadonlySet<number>
  /** Of routing rules. */
  readonly rules: readonly RuleMark[]
}

/** The roads of all services. */
export interface Roads {
  /** By service and backend; a backend that is missing has none, because no mark is left or because it is this host. */
  readonly of: ReadonlyMap<ServiceKey, ReadonlyMap<DestinationKey, Road>>
  /** Where the search for a free mark goes on: one that was just given back does not come again at once. */
  readonly next: number
  /** What they were planned from. */
  readonly from: Wanted
  readonly input: RoadInput | undefined
}

export interface RoadInput {
  readonly range: MarkRange
  readonly taken: TakenMarks
  /** Marks that an earlier process has given, by the road's name. */
  readonly past: ReadonlyMap<RoadName, number>
}

type Wanted = ReadonlyMap<ServiceKey, Pick<ServiceProvenance, 'spec' | 'members'>>

/** A backend that wants a road. */
interface Traveller {
  readonly service: ServiceKey
  readonly backend: DestinationKey
  readonly spec: ServiceSpec
  readonly member: Member
}

export const NO_ROADS: Roads = { of: new Map(), next: 0, from: new Map(), input: undefined }

/**
 * The roads of all backends that are probed at the address of their service. A backend keeps its mark as long as that is free. The
 * same object where nothing is new that they depend on, as with most updates: results of probes. `inputOf` is asked where somebody
 * needs a road.
 */
export function planRoads(before: Roads, wanted: Wanted, inputOf: () => RoadInput): Roads {
  const from = new Map([...wanted].filter(([, { spec }]) => isProbedThrough(spec)))
  if (from.size === 0) return before.from.size === 0 ? before : { ...NO_ROADS, next: before.next }
  const input = inputOf()
  if (isPlannedFrom(before, from, input)) return before
  const travellers = [...from].flatMap(([service, each]) => travellersOf(service, each))
  const marks = new Marks(input, before.next)
  const given = new Map<Traveller, number>()
  const keep = (markOf: (traveller: Traveller) => number | undefined) => {
    for (const traveller of travellers) {
      const mark = given.has(traveller) ? undefined : markOf(traveller)
      if (mark !== undefined && marks.take(mark)) given.set(traveller, mark)
    }
  }
  keep(({ service, backend }) => before.of.get(service)?.get(backend)?.mark)
  keep(({ service, backend }) => input.past.get(roadName(service, backend)))
  const of = new Map<ServiceKey, Map<DestinationKey, Road>>()
  for (const traveller of travellers) {
    const mark = given.get(traveller) ?? marks.takeNext()
    if (mark === undefined) continue
    const { service, backend } = traveller
    const roads = of.get(service) ?? new Map<DestinationKey, Road>()
    of.set(service, roads.set(backend, roadOf(traveller, mark, before.of.get(service)?.get(backend))))
  }
  const after = new Map([...of].map(([service, roads]) => [service, unlessSame(before.of.get(service), roads)]))
  return { of: after, next: marks.next, from, input }
}

/**
 * Services of roads that are made already and wanted still: a command that asks nobody along them leaves them as they are, for
 * the daemon that does.
 */
export function keptRoads(wanted: Wanted, { services }: OwnershipRecord): ReadonlySet<ServiceKey> {
  const travellers = [...wanted].flatMap(([service, from]) => travellersOf(service, from))
  const names = new Set<string>(travellers.map(({ service, backend }) => roadName(service, backend)))
  return new Set([...services].flatMap(([key, { name }]) => (names.has(name) ? [key] : [])))
}

function isPlannedFrom(before: Roads, from: Wanted, { range, taken, past }: RoadInput): boolean {
  const { input } = before
  if (range.from !== input?.range.from || range.to !== input.range.to || taken !== input.taken || past !== input.past)
    return false
  if (before.from.size !== from.size) return false
  return [...from].every(([service, { spec, members }]) => {
    const known = before.from.get(service)
    return known?.spec === spec && known.members === members
  })
}

type OfService = ReadonlyMap<DestinationKey, Road>

function unlessSame(before: OfService | undefined, after: OfService): OfService {
  const same = before?.size === after.size && [...after].every(([backend, road]) => before.get(backend) === road)
  return same ? before : after
}

/** Whether the kernel treats packets with a mark otherwise than those without one, or gives them to somebody else's service. */
export function isTaken(mark: number, { services, rules }: TakenMarks): boolean {
  return services.has(mark) || rules.some((rule) => matches(mark, rule) !== matches(0, rule))
}

function matches(mark: number, rule: RuleMark): boolean {
  return ((mark ^ rule.mark) & rule.mask) === 0
}

/** Marks of one range, each given once. */
class Marks {
  readonly #input: RoadInput
  readonly #used = new Set<number>()
  next: number
  #full = false

  constructor(input: RoadInput, next: number) {
    const { range } = input
    this.#input = input
    this.next = next < range.from || next > range.to ? range.from : next
  }

  take(mark: number): boolean {
    const { range, taken } = this.#input
    if (mark < range.from || mark > range.to || this.#used.has(mark) || isTaken(mark, taken)) return false
    this.#used.add(mark)
    return true
  }

  takeNext(): number | undefined {
    const { from, to } = this.#input.range
    for (let tried = from; tried <= to && !this.#full; tried++) {
      const mark = this.next
      this.next = mark === to ? from : mark + 1
      if (this.take(mark)) return mark
    }
    this.#full = true
    return undefined
  }
}

export function isProbedThrough({ identity, checks }: ServiceSpec): boolean {
  return identity.kind === 'address' && checks.some(({ via }) => via === 'vip')
}

function travellersOf(service: ServiceKey, { spec, members }: Pick<ServiceProvenance, 'spec' | 'members'>): Traveller[] {
  if (!isProbedThrough(spec)) return []
  const away = [...members].filter(([, member]) => forwardingOf(spec, member).method !== 'local')
  return away.map(([backend, member]) => ({ service, backend, spec, member }))
}

/** The same object where nothing about it is new, so that the kernel is not looked at. */
function roadOf({ service, backend, spec, member }: Traveller, mark: number, before: Road | undefined): Road {
  const forwarding = forwardingOf(spec, member)
  if (before?.mark === mark && sameForwarding(before.forwarding, forwarding)) return before
  const { address, port } = member.backend
  const { identity } = spec
  const name = roadName(service, backend)
  const family = familyOf(identity.kind === 'address' ? identity.address : address)
  const hidden = { kind: 'fwmark', fwmark: mark, family } as const
  const destination: DesiredDestination = { address, port, forwarding, weight: 1, reasons: ['probes reach this backend by it'] }
  const desired: DesiredService = {
    name,
    identity: hidden,
    scheduler: 'rr',
    persistence: 'none',
    destinations: ChunkedMap.from([[backend, destination]]),
    complete: true,
    drainTimeout: 0,
    adopt: 'never',
  }
  return { name, mark, service: desired, key: serviceKey(hidden), backend, towards: address, forwarding }
}

function forwardingOf(spec: ServiceSpec, { backend }: Member): Forwarding {
  return backend.forwarding ?? spec.forwarding
}
