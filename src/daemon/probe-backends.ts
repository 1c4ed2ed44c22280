import { auditTime, Observable, type SchedulerLike, Subject } from 'rxjs'
import { afterResult, type CheckStanding, firstStanding, intervalAt } from '../health/check-standing.ts'
import { type Check, runChecks } from '../health/checks.ts'
import type { Probe } from '../health/probe.ts'
import type { ProbeTarget } from '../health/target.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { Operational } from '../model/operational.ts'
import type { ProbeResult } from '../model/probe-result.ts'
import type { CheckSpec, ProbeKind } from '../model/probe-spec.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { DesiredUpdate, OperationalNews, ServiceProvenance } from '../pipeline/desired-update.ts'
import { proving } from './held-members.ts'
import { askedBefore, foundIn, NO_TURN, nextTurn, type PoolCheck, type PoolMember, type Turn } from './pool-findings.ts'
import { type PlannedCheck, type PlannedMember, planMembers, restingIn } from './probe-plan.ts'
import type { Road, Roads } from './probe-roads.ts'

/** Milliseconds in which findings of one service are gathered: members of one pool die together, and are asked at moments of their own. */
const GATHER = 50

export interface ProbeBackendsOptions {
  /** `road`: the target is the address of the service. */
  readonly probeFor: (kind: ProbeKind, target: ProbeTarget, road?: Road | 'none') => Probe
  /** Probes under way at a time. */
  readonly limit: number
  /** `took`: milliseconds. */
  readonly onResult: (kind: ProbeKind['kind'], result: ProbeResult, took: number) => void
  /** Told of each probe how many milliseconds after its moment it begins. */
  readonly onBegin?: (late: number) => void
  /** Told of the certificates that the members of a service show, when one of them becomes different or somebody goes. */
  readonly onCertificates?: (service: ServiceKey, shown: Certificates) => void
  /** Given once: what asks for the last results of a backend of a service. */
  readonly onBoard?: (lastResults: LastResults) => void
  /** Its time is milliseconds since the epoch and never runs backwards. */
  readonly scheduler: SchedulerLike
}

/** The last result of one check. */
export interface LastResult {
  readonly kind: ProbeKind['kind']
  readonly result: ProbeResult
  /** Milliseconds. */
  readonly took: number
  /** Milliseconds since the epoch at which it ended. */
  readonly at: number
}

/** Of every check of a backend that has ended once. */
export type LastResults = (service: ServiceKey, backend: DestinationKey) => readonly LastResult[]

/** Whole days until they run out, by member and check. */
export type Certificates = ReadonlyMap<DestinationKey, ReadonlyMap<string, number>>

/**
 * Asks every member of every service that has checks, and says what was found, service by service. A member that several
 * services ask in the same way is asked once. A check whose settings change, or that moves to another kind, goes on from the
 * health that was found.
 */
export function probeBackends(
  updates$: Observable<DesiredUpdate & { readonly roads?: Roads['of'] }>,
  options: ProbeBackendsOptions,
): Observable<OperationalNews> {
  const { onResult, scheduler } = options
  return new Observable((subscriber) => {
    const checks$ = new Subject<ReadonlyMap<string, Check>>()
    const early$ = new Subject<readonly string[]>()
    const news$ = new Subject<void>()
    const board = new Board(options)
    options.onBoard?.((service, backend) => board.lastResults(service, backend))
    subscriber.add(
      news$.pipe(auditTime(GATHER, scheduler)).subscribe(() => {
        for (const news of board.news()) subscriber.next(news)
        const early = board.early()
        if (early.length > 0) early$.next(early)
      }),
    )
    subscriber.add(
      checks$.pipe(runChecks({ ...options, early$ })).subscribe(({ key, result, took }) => {
        const kind = board.heard(key, result, took)
        if (kind === undefined) return
        onResult(kind, result, took)
        if (board.hasNews) news$.next()
      }),
    )
    subscriber.add(
      updates$.subscribe((update) => {
        if (board.follow(update)) checks$.next(board.checks)
        if (board.hasNews) news$.next()
      }),
    )
  })
}

/** A check that runs, and for whom. */
class Running implements Check, PoolCheck {
  readonly key: string
  readonly spec: CheckSpec
  readonly probe: Probe
  readonly timeout: number
  readonly jitter: number
  readonly services = new Set<ServiceKey>()
  standing: CheckStanding
  turn: Turn = NO_TURN
  last: LastResult | undefined

  constructor(
    { key, spec, target, refusalCounts, road }: PlannedCheck,
    standing: CheckStanding,
    probeFor: ProbeBackendsOptions['probeFor'],
  ) {
    const probe = probeFor(spec.probe, target, road)
    this.key = key
    this.spec = spec
    this.probe = proving(probe, refusalCounts)
    this.timeout = spec.timeout
    this.jitter = spec.jitter
    this.standing = standing
  }

  get interval(): number {
    return intervalAt(this.standing, this.spec)
  }
}

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
  hastenedAt?: number
}

const NOTHING_TOLD: Asked['told'] = new Map()

/** Who is asked, what was found, and what of it has not been told. */
class Board {
  readonly #options: ProbeBackendsOptions
  readonly #services = new Map<ServiceKey, Asked>()
  readonly #dirty = new Set<ServiceKey>()
  /** Where a member that was up has begun to fail above connect. */
  readonly #suspected = new Set<ServiceKey>()
  /** Where the others have not all been asked since: everybody's turn is news there. */
  readonly #awaited = new Set<ServiceKey>()
  #checks: ReadonlyMap<string, Running> = new Map()

  constructor(options: ProbeBackendsOptions) {
    this.#options = options
  }

  get checks(): ReadonlyMap<string, Check> {
    return this.#checks
  }

  get hasNews(): boolean {
    return this.#dirty.size > 0
  }

  /** Whether there are other checks than before. Services whose members and checks are the same objects cost a comparison. */
  follow({ provenance, roads }: DesiredUpdate & { readonly roads?: Roads['of'] }): boolean {
    const inherited = new Map<string, CheckStanding>()
    // Once for all: where the clock is a system call, a thousand looks at it take longer than everything else.
    const now = this.#options.scheduler.now()
    let changed = false
    for (const key of this.#services.keys()) {
      if (provenance.has(key)) continue
      this.#services.delete(key)
      for (const noted of [this.#dirty, this.#suspected, this.#awaited]) noted.delete(key)
      this.#options.onCertificates?.(key, new Map())
      changed = true
    }
    for (const [key, known] of provenance) {
      const ownRoads = roads?.get(key)
      const asked = this.#services.get(key)
      if (asked !== undefined && isPlannedFrom(asked, known, ownRoads) && now < asked.until) continue
      const from = { ...inputsOf(known), roads: ownRoads }
      const { resting, until } = restingIn(from, now)
      const members = planMembers(from.spec, from.members, resting, from.roads)
      if (asked !== undefined) this.#inherit(asked.members, members, inherited)
      if (members.length > 0 || (asked?.told.size ?? 0) > 0) this.#dirty.add(key)
      this.#services.set(key, { ...asked, from, members, until, told: asked?.told ?? NOTHING_TOLD })
      changed = true
    }
    if (changed) this.#replan(inherited)
    return changed
  }

  /** The kind of the check; undefined where nobody wants to know any more. */
  heard(key: string, result: ProbeResult, took: number): ProbeKind['kind'] | undefined {
    const running = this.#checks.get(key)
    if (running === undefined) return undefined
    const now = this.#options.scheduler.now()
    running.last = { kind: running.spec.probe.kind, result, took, at: now }
    const { standing: before, turn } = running
    running.turn = nextTurn(turn, result, took, now)
    running.standing = afterResult(before, result, running.spec, now)
    const begins = before.health === 'up' && turn.failingSince === undefined && running.turn.failingSince !== undefined
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
      const { hastenedAt = Number.NEGATIVE_INFINITY, from, members } = asked
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

  #replan(inherited: ReadonlyMap<string, CheckStanding>): void {
    const now = this.#options.scheduler.now()
    const checks = new Map<string, Running>()
    const known = this.#checks
    for (const running of known.values()) running.services.clear()
    for (const [service, { members }] of this.#services) {
      for (const planned of members.flatMap((member) => member.checks)) {
        const { key, spec } = planned
        const begun = () => new Running(planned, inherited.get(key) ?? firstStanding(spec, now), this.#options.probeFor)
        const running = checks.get(key) ?? known.get(key) ?? begun()
        running.services.add(service)
        checks.set(key, running)
      }
    }
    this.#checks = checks
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

function isPlannedFrom({ from }: Asked, { spec, members, admin }: ServiceProvenance, roads: Asked['from']['roads']): boolean {
  return from.members === members && from.admin === admin && from.spec === spec && from.roads === roads
}
