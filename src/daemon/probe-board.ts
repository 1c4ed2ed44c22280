import { afterResult, type CheckStanding, firstStanding } from '../health/check-standing.ts'
import type { ChecksEdit } from '../health/checks.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { Operational } from '../model/operational.ts'
import type { ProbeResult } from '../model/probe-result.ts'
import type { ProbeKind } from '../model/probe-spec.ts'
import { differingKeys } from '../model/shared-map.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { DesiredUpdate, OperationalNews, ServiceProvenance } from '../pipeline/desired-update.ts'
import { askedBefore, foundIn, type PoolMember } from './pool-findings.ts'
import { type PlannedCheck, type PlannedMember, planMembers, restingIn } from './probe-plan.ts'
import type { Road, Roads } from './probe-roads.ts'
import { type LastResult, type ProbeFor, RunningCheck } from './running-check.ts'

export interface BoardOptions {
  readonly probeFor: ProbeFor
  /** Told of the certificates that the members of a service show, when one of them becomes different or somebody goes. */
  readonly onCertificates?: (service: ServiceKey, shown: Certificates) => void
  /** Milliseconds since the epoch, never running backwards. */
  readonly scheduler: { now(): number }
}

/** Of every check of a backend that has ended once. */
export type LastResults = (service: ServiceKey, backend: DestinationKey) => readonly LastResult[]

/** Whole days until they run out, by member and check. */
export type Certificates = ReadonlyMap<DestinationKey, ReadonlyMap<string, number>>

export type Update = Pick<DesiredUpdate, 'provenance'> & { readonly roads?: Roads['of'] }

/** What a service was planned from, and what was told of it. */
interface Asked {
  readonly from: Pick<ServiceProvenance, 'spec' | 'members' | 'admin'> & {
    readonly roads?: ReadonlyMap<DestinationKey, Road> | undefined
  }
  readonly members: readonly PlannedMember[]
  /** The same by their keys, made when somebody asks. */
  byKey?: ReadonlyMap<DestinationKey, PlannedMember>
  /** Milliseconds since the epoch at which the next maintenance ends. */
  readonly until: number
  told: ReadonlyMap<DestinationKey, Operational>
  /** Milliseconds since the epoch at which all were last asked before their moments. */
  hastenedAt: number
}

const NOTHING_TOLD: Asked['told'] = new Map()

const NO_ROADS: Roads['of'] = new Map()

/** Services of which somebody may be asked otherwise than before; undefined: the service is gone. */
type Replanned = ReadonlyMap<ServiceKey, Asked | undefined>

/** Who is asked, what was found, and what of it has not been told. What an update costs is what differs from the one before. */
export class Board {
  readonly #options: BoardOptions
  readonly #services = new Map<ServiceKey, Asked>()
  readonly #dirty = new Set<ServiceKey>()
  /** Where a member that was up has begun to fail above connect. */
  readonly #suspected = new Set<ServiceKey>()
  /** Where the others have not all been asked since: everybody's turn is news there. */
  readonly #awaited = new Set<ServiceKey>()
  readonly #checks = new Map<string, RunningCheck>()
  /** Services with somebody whose maintenance ends by itself. */
  readonly #resting = new Set<ServiceKey>()
  #followed: Partial<Update> = {}

  constructor(options: BoardOptions) {
    this.#options = options
  }

  get hasNews(): boolean {
    return this.#dirty.size > 0
  }

  /** What becomes different about the checks; undefined where they stay as they are. */
  follow(update: Update): ChecksEdit | undefined {
    const { provenance, roads } = update
    const inherited = new Map<string, CheckStanding>()
    // Once for all: where the clock is a system call, a thousand looks at it take longer than everything else.
    const now = this.#options.scheduler.now()
    const replanned = new Map<ServiceKey, Asked | undefined>()
    for (const key of this.#differing(update, now)) {
      const known = provenance.get(key)
      const asked = this.#services.get(key)
      if (known === undefined) {
        if (asked !== undefined) replanned.set(key, undefined)
        continue
      }
      const from = { ...inputsOf(known), roads: roads?.get(key) }
      if (asked !== undefined && isPlannedFrom(asked, from) && now < asked.until) continue
      const { resting, until } = restingIn(from, now)
      const members = planMembers(from.spec, from.members, resting, from.roads)
      if (asked !== undefined) this.#inherit(asked.members, members, inherited)
      const { told = NOTHING_TOLD, hastenedAt = Number.NEGATIVE_INFINITY } = asked ?? {}
      replanned.set(key, { from, members, until, told, hastenedAt })
    }
    return replanned.size === 0 ? undefined : this.#replan(replanned, inherited, now)
  }

  /** The kind of the check; undefined where nobody wants to know any more. */
  heard(key: string, result: ProbeResult, took: number): ProbeKind['kind'] | undefined {
    const running = this.#checks.get(key)
    if (running === undefined) return undefined
    const now = this.#options.scheduler.now()
    const { standing: before, isSuspect: wasSuspect } = running
    running.heard(result, took, now)
    running.standing = afterResult(before, result, running.spec, now)
    const begins = before.health === 'up' && !wasSuspect && running.isSuspect
    for (const service of running.services) {
      if (running.standing !== before || this.#awaited.has(service)) this.#dirty.add(service)
      if (begins) this.#suspected.add(service)
    }
    return running.spec.probe.kind
  }

  lastResults(service: ServiceKey, backend: DestinationKey): readonly LastResult[] {
    const asked = this.#services.get(service)
    if (asked === undefined) return []
    asked.byKey ??= new Map(asked.members.map((member) => [member.destination, member]))
    return asked.byKey.get(backend)?.checks.flatMap(({ key }) => this.#checks.get(key)?.last ?? []) ?? []
  }

  /** What became different since it was asked last. */
  news(): OperationalNews[] {
    const news: OperationalNews[] = []
    for (const service of this.#dirty) {
      const asked = this.#services.get(service)
      if (asked === undefined) continue
      this.#options.onCertificates?.(service, this.#certificatesIn(asked))
      const { found, siblingsDue } = foundIn(this.#poolOf(asked.members), asked.told)
      if (siblingsDue) this.#awaited.add(service)
      else this.#awaited.delete(service)
      if (found === asked.told) continue
      asked.told = found
      news.push({ service, found })
    }
    this.#dirty.clear()
    return news
  }

  /**
   * Keys of checks to be asked now: where somebody begins to fail above connect, that tells whether he is alone. Once in an interval, so that a pool
   * in which somebody fails all the time is asked twice as often and no more.
   */
  early(): string[] {
    const now = this.#options.scheduler.now()
    const keys = [...this.#suspected].flatMap((service) => {
      const asked = this.#services.get(service)
      if (asked === undefined) return []
      const { hastenedAt, from, members } = asked
      if (now < hastenedAt + Math.max(...from.spec.checks.map(({ interval }) => interval))) return []
      asked.hastenedAt = now
      return askedBefore(this.#poolOf(members), now)
    })
    this.#suspected.clear()
    return keys
  }

  #poolOf(members: readonly PlannedMember[]): readonly PoolMember[] {
    return members.map(({ destination, checks }) => ({
      destination,
      checks: checks.flatMap(({ key }) => this.#checks.get(key) ?? []),
    }))
  }

  #inherit(before: readonly PlannedMember[], after: readonly PlannedMember[], inherited: Map<string, CheckStanding>): void {
    const old = new Map(before.map((member) => [member.destination, member.checks]))
    for (const { destination, checks } of after) {
      const known = old.get(destination)
      for (const [index, { key }] of checks.entries()) {
        const last = this.#checks.get(known?.[index]?.key ?? '')
        if (last !== undefined && !this.#checks.has(key)) inherited.set(key, { ...last.standing, against: 0 })
      }
    }
  }

  /** The services that may have to be planned anew. */
  #differing(update: Update, now: number): Set<ServiceKey> {
    const { provenance, roads } = this.#followed
    this.#followed = update
    const keys = new Set(differingKeys(provenance, update.provenance))
    if (update.roads !== roads) for (const key of differingKeys(roads, update.roads ?? NO_ROADS)) keys.add(key)
    for (const key of this.#resting) if (now >= (this.#services.get(key)?.until ?? 0)) keys.add(key)
    return keys
  }

  /** Checks that nobody asks for any more end, the others go on as they are. */
  #replan(replanned: Replanned, inherited: ReadonlyMap<string, CheckStanding>, now: number): ChecksEdit {
    const put = new Map<string, RunningCheck>()
    const left = new Set<string>()
    for (const service of replanned.keys()) {
      for (const { key } of checksOf(this.#services.get(service))) {
        this.#checks.get(key)?.services.delete(service)
        left.add(key)
      }
    }
    for (const [service, asked] of replanned) {
      this.#take(service, asked)
      for (const planned of checksOf(asked)) {
        const { key, spec } = planned
        const begun = () => new RunningCheck(planned, inherited.get(key) ?? firstStanding(spec, now), this.#options.probeFor)
        const running = this.#checks.get(key) ?? begun()
        if (!this.#checks.has(key)) put.set(key, running)
        this.#checks.set(key, running)
        running.services.add(service)
      }
    }
    const gone = [...left].filter((key) => this.#checks.get(key)?.services.size === 0)
    for (const key of gone) this.#checks.delete(key)
    return { put, gone }
  }

  #take(service: ServiceKey, asked: Asked | undefined): void {
    this.#resting.delete(service)
    if (asked === undefined) {
      this.#services.delete(service)
      for (const noted of [this.#dirty, this.#suspected, this.#awaited]) noted.delete(service)
      this.#options.onCertificates?.(service, new Map())
      return
    }
    this.#services.set(service, asked)
    if (asked.until < Number.POSITIVE_INFINITY) this.#resting.add(service)
    if (asked.members.length > 0 || asked.told.size > 0) this.#dirty.add(service)
  }

  #certificatesIn({ from, members }: Asked): Certificates {
    const shown = new Map<DestinationKey, ReadonlyMap<string, number>>()
    if (!from.spec.checks.some(({ probe }) => 'tls' in probe)) return shown
    for (const { destination, checks } of members) {
      const days = new Map<string, number>()
      for (const { key, spec } of checks) {
        const { certificateDays } = this.#checks.get(key)?.standing ?? {}
        const { kind } = spec.probe
        const before = [...days.keys()].filter((name) => name.split(' ')[0] === kind).length
        if (certificateDays !== undefined) days.set(before === 0 ? kind : `${kind} ${before + 1}`, certificateDays)
      }
      if (days.size > 0) shown.set(destination, days)
    }
    return shown
  }
}

function inputsOf({ spec, members, admin }: ServiceProvenance) {
  return { spec, members, admin }
}

function isPlannedFrom({ from }: Asked, { spec, members, admin, roads }: Asked['from']): boolean {
  return from.members === members && from.admin === admin && from.spec === spec && from.roads === roads
}

function checksOf(asked: Asked | undefined): PlannedCheck[] {
  return asked === undefined ? [] : asked.members.flatMap(({ checks }) => checks)
}
