import { isDeepStrictEqual } from 'node:util'
import type { ProbeRoadSettings } from '../config/configuration.ts'
import type { EndSignal, Probe } from '../health/probe.ts'
import type { ProbeTarget } from '../health/target.ts'
import { throughVip } from '../health/through-vip.ts'
import { wayBackLacks } from '../health/way-back.ts'
import type { Logger } from '../log.ts'
import type { IpAddress } from '../model/address.ts'
import type { DesiredState } from '../model/desired-state.ts'
import type { DestinationKey } from '../model/destination.ts'
import { isRoadName, type RoadName } from '../model/probe-road.ts'
import type { ProbeKind } from '../model/probe-spec.ts'
import { differingKeys, SharedMap } from '../model/shared-map.ts'
import { type ServiceIdentity, type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import type { DesiredUpdate, ServiceProvenance } from '../pipeline/desired-update.ts'
import type { PassReport } from '../sinks/sink.ts'
import type { OwnedService, OwnershipRecord } from '../store/ownership.ts'
import type { Host } from './host.ts'
import { asPointsmanError } from './passes.ts'
import { isProbedThrough, isTaken, NO_ROADS, planRoads, type Road, type Roads, type TakenMarks } from './probe-roads.ts'

/** Milliseconds until this host is looked at again. */
const LOOK_AGAIN = 1_000
/** The same for its routes, which cost more to ask and change less. */
const ROUTE_AGAIN = 5_000
/** Routes that are remembered: those of backends that have gone are among them. */
const MOST_ROUTES = 20_000

/** An update of which `desired` holds the services of the roads as well. */
export interface RoadedUpdate extends DesiredUpdate {
  readonly roads: Roads['of']
}

export interface RoadKeeperOptions {
  readonly host: Pick<Host, 'linkTowards' | 'readRuleMarks' | 'readSysctl'>
  readonly probeFor: Host['probeFor']
  readonly settings: () => ProbeRoadSettings
  readonly record: OwnershipRecord
  /** Services of the kernel, now; what is ours of them counts for nothing. */
  readonly inKernel: () => Iterable<ServiceIdentity>
  readonly logger: Logger
}

/** Keeps the roads of probes that go through the address of their service: who has which mark, and which of them stand. */
export class RoadKeeper {
  readonly #options: RoadKeeperOptions
  /** Marks that an earlier process gave. */
  readonly #past: ReadonlyMap<RoadName, number>
  readonly #planned = new WeakMap<DesiredState, readonly Road[]>()
  readonly #waiting = new Set<() => void>()
  #roads = NO_ROADS
  #all: { readonly of: Roads['of']; readonly list: readonly Road[] } = { of: NO_ROADS.of, list: [] }
  /** What others use. */
  #taken: TakenMarks | undefined
  #takenInAll: TakenMarks | undefined
  #followed: DesiredUpdate['provenance'] | undefined
  /** Services that are probed at their own address. */
  #through: ReadonlyMap<ServiceKey, ServiceProvenance> = new Map()
  /** Marks that the configuration itself gives; undefined: to be looked up. */
  #ownMarks: ReadonlySet<number> | undefined
  #roaded:
    | { readonly beside: DesiredState['services']; readonly list: readonly Road[]; readonly services: DesiredState['services'] }
    | undefined
  /** Addresses of services; undefined: to be looked up. */
  #virtual: ReadonlySet<IpAddress> | undefined
  readonly #lacking = new Map<string, { readonly what: string | undefined; readonly until: number }>()
  readonly #links = new Map<IpAddress, { readonly link: string | undefined; readonly until: number }>()
  /** What the last pass left in the kernel. */
  #standing: ReadonlySet<Road> = new Set()

  constructor(options: RoadKeeperOptions) {
    this.#options = options
    this.#past = marksIn(options.record)
  }

  /** Gives a road to everybody who is probed at the address of his service. */
  follow(update: DesiredUpdate): RoadedUpdate {
    const { desired, provenance } = update
    const { marks: range } = this.#options.settings()
    this.#learn(provenance)
    this.#roads = planRoads(this.#roads, this.#through, () => ({ range, taken: this.#takenBeside(), past: this.#past }))
    const { of: roads } = this.#roads
    const all = this.#allOf(roads)
    if (all.length === 0) return { ...update, roads }
    const roaded = { ...desired, services: this.#servicesBeside(desired.services, all) }
    this.#planned.set(roaded, all)
    return { ...update, desired: roaded, roads }
  }

  /** After a pass: which roads stand, and whether a mark must be exchanged because somebody else uses it now. */
  passEnded(desired: DesiredState, { failed }: PassReport, scope: 'changes' | 'full'): boolean {
    const planned = this.#planned.get(desired)
    if (planned === undefined) return false
    const failing = new Set(failed.map(({ object }) => object.split(' ')[0]))
    const { services } = this.#options.record
    this.#standing = new Set(planned.filter(({ key, backend }) => holds(services.get(key), backend) && !failing.has(key)))
    for (const wake of [...this.#waiting]) wake()
    if (scope !== 'full' && this.#standing.size === planned.length) return false
    const taken = this.#look()
    this.#taken = taken
    return planned.some(({ mark }) => isTaken(mark, taken))
  }

  /** A probe along a road, where the backend has one. */
  probe(kind: ProbeKind, target: ProbeTarget, road: Road | 'none'): Probe {
    if (road === 'none') return async () => ({ outcome: 'unknown', message: NO_ROAD })
    const { probeFor, settings } = this.#options
    const way = {
      towards: road.towards,
      // A reload changes it for probes that are there already.
      get sources() {
        return settings().sources
      },
      stands: (signal: EndSignal) => this.#stands(road, signal),
      isVirtual: (address: IpAddress) => this.#addresses().has(address),
      leavesBy: () => this.#linkTowards(road.towards),
      lacks: (source: IpAddress) => this.#lacks(source, road),
    }
    return throughVip(target, way, (marked) => probeFor(kind, marked))
  }

  #allOf(of: Roads['of']): readonly Road[] {
    if (this.#all.of !== of) this.#all = { of, list: [...of.values()].flatMap((each) => [...each.values()]) }
    return this.#all.list
  }

  /** What an update costs is what differs from the one before. */
  #learn(provenance: DesiredUpdate['provenance']): void {
    const before = this.#followed
    this.#followed = provenance
    const keys = differingKeys(before, provenance)
    if (keys.every((key) => before?.get(key)?.spec === provenance.get(key)?.spec)) {
      if (!keys.some((key) => this.#through.has(key))) return
    } else {
      this.#ownMarks = undefined
      this.#virtual = undefined
    }
    const through = new Map(this.#through)
    for (const key of keys) {
      const known = provenance.get(key)
      if (known !== undefined && isProbedThrough(known.spec)) through.set(key, known)
      else through.delete(key)
    }
    this.#through = through
  }

  /** All that is wanted, with what the roads need. */
  #servicesBeside(beside: DesiredState['services'], list: readonly Road[]): DesiredState['services'] {
    const last = this.#roaded
    const roads = () => new Map(list.map(({ key, service }) => [key, service]))
    const services =
      last?.list === list
        ? SharedMap.of(last.services).edited(differingKeys(last.beside, beside), (key) => beside.get(key))
        : SharedMap.from([...beside, ...roads()])
    this.#roaded = { beside, list, services }
    return services
  }

  /** Where the services are. */
  #addresses(): ReadonlySet<IpAddress> {
    this.#virtual ??= new Set([...(this.#followed?.values() ?? [])].flatMap(({ spec }) => addressOf(spec.identity)))
    return this.#virtual
  }

  #stands(road: Road, signal: EndSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = () => {
        const stands = this.#standing.has(road)
        if (!stands && !signal.aborted) return
        this.#waiting.delete(settle)
        signal.removeEventListener('abort', settle)
        resolve(stands)
      }
      this.#waiting.add(settle)
      signal.addEventListener('abort', settle)
      settle()
    })
  }

  /** Backends on the same link ask the same of this host: one answer serves for a moment. */
  #lacks(source: IpAddress, { towards, forwarding: { method } }: Road): string | undefined {
    // Answers of NAT come from the backend's own address.
    const link = method === 'nat' ? undefined : this.#linkTowards(towards)
    const key = `${method} ${source} ${link}`
    const known = this.#lacking.get(key)
    const now = performance.now()
    if (known !== undefined && now < known.until) return known.what
    const what = wayBackLacks(source, method, { readSysctl: (name) => this.#options.host.readSysctl(name), link })
    this.#lacking.set(key, { what, until: now + LOOK_AGAIN })
    return what
  }

  #linkTowards(address: IpAddress): string | undefined {
    const known = this.#links.get(address)
    const now = performance.now()
    if (known !== undefined && now < known.until) return known.link
    const link = linkOrNone(this.#options.host, address)
    if (this.#links.size >= MOST_ROUTES) this.#links.clear()
    this.#links.set(address, { link, until: now + ROUTE_AGAIN })
    return link
  }

  /** What others use, and what the configuration itself gives to clients and to other probes. */
  #takenBeside(): TakenMarks {
    this.#taken ??= this.#look()
    const { services, rules } = this.#taken
    this.#ownMarks ??= new Set(
      [...(this.#followed?.values() ?? [])].flatMap(({ spec }) => [
        ...markOf(spec.identity),
        ...spec.checks.flatMap(({ fwmark }) => fwmark ?? []),
      ]),
    )
    const own = this.#ownMarks
    const taken = { services: new Set([...services, ...own]), rules }
    // The same object where nothing is new: then nothing is planned anew.
    if (!isDeepStrictEqual(taken, this.#takenInAll)) this.#takenInAll = taken
    return this.#takenInAll ?? taken
  }

  #look(): TakenMarks {
    const { host, inKernel, record, logger } = this.#options
    const isRoad = (identity: ServiceIdentity) => isRoadName(record.services.get(serviceKey(identity))?.name ?? '')
    const services = new Set([...inKernel()].flatMap((identity) => (isRoad(identity) ? [] : markOf(identity))))
    try {
      return { services, rules: host.readRuleMarks() }
    } catch (error) {
      const { code, message } = asPointsmanError(error)
      logger.warn({ code }, `probes through virtual addresses cannot avoid the marks of routing rules: ${message}`)
      return { services, rules: [] }
    }
  }
}

const NO_ROAD =
  'there is no way through the virtual address: the backend is this host itself, or all of global.probe_marks are in use; write a wider range'

/** The interface that leads to an address; undefined also where that cannot be read. */
export function linkOrNone(host: Pick<Host, 'linkTowards'>, address: IpAddress): string | undefined {
  try {
    return host.linkTowards(address)
  } catch {
    return undefined
  }
}

function holds(owned: OwnedService | undefined, backend: DestinationKey): boolean {
  return owned?.destinations.size === 1 && owned.destinations.has(backend)
}

function markOf(identity: ServiceIdentity): number[] {
  return identity.kind === 'fwmark' ? [identity.fwmark] : []
}

function addressOf(identity: ServiceIdentity): IpAddress[] {
  return identity.kind === 'address' ? [identity.address] : []
}

function marksIn({ services }: OwnershipRecord): ReadonlyMap<RoadName, number> {
  const marks = new Map<RoadName, number>()
  for (const { name, identity } of services.values())
    if (isRoadName(name)) for (const mark of markOf(identity)) marks.set(name, mark)
  return marks
}
