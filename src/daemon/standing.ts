import type { Pace } from '../admin/pace.ts'
import type {
  AbsentWord,
  AdminStanding,
  BackendStanding,
  DiscoveredStanding,
  KernelStanding,
  OperationalStanding,
  PauseStanding,
  PoolStanding,
  ServiceStanding,
  SourceStanding,
} from '../admin/standing.ts'
import type { AdminState, OperatorWords } from '../model/admin-state.ts'
import type { DesiredService } from '../model/desired-state.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { IpvsTable, ServiceReading } from '../model/ipvs-table.ts'
import type { Pause } from '../model/pause.ts'
import { type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import type { DesiredUpdate, ServiceProvenance, SourceStatus } from '../pipeline/desired-update.ts'
import { wallTime } from '../steady-scheduler.ts'
import { backendsOf } from './operator-targets.ts'

/** What is known at one moment. */
export interface Moment {
  readonly update: DesiredUpdate
  readonly words: OperatorWords
  /** An answer that says the same again makes no desired state, and is one all the same. */
  readonly sources: ReadonlyMap<ServiceKey, readonly SourceStatus[]>
  /** Undefined where the kernel could not be asked. */
  readonly table: IpvsTable | undefined
  /** What the last pass could not do, by the object. */
  readonly failing: readonly { readonly object: string; readonly message: string }[]
}

/** Before the first desired state. */
export const NOTHING_YET: DesiredUpdate = { desired: { services: new Map() }, provenance: new Map(), eventAt: 0 }

/** How a service of the desired state stands, backend by backend. */
export function serviceStanding(key: ServiceKey, moment: Moment): ServiceStanding | undefined {
  const found = aroundOf(key, moment)
  if (found === undefined) return undefined
  const { around, backends } = found
  const standings = [...backends].sort(BY_NUMBER.compare).map((backend) => backendStanding(backend, around))
  return { ...poolOf(key, around), backends: standings }
}

/** The same in slices, its backends in no order. */
export async function pacedStanding(key: ServiceKey, moment: Moment, pace: Pace): Promise<ServiceStanding | undefined> {
  const found = aroundOf(key, moment)
  if (found === undefined) return undefined
  const standings: BackendStanding[] = []
  for (const backend of found.backends) {
    standings.push(backendStanding(backend, found.around))
    if (pace.due()) await pace.rest()
  }
  return { ...poolOf(key, found.around), backends: standings }
}

function aroundOf(key: ServiceKey, moment: Moment): { around: Around; backends: ReadonlySet<DestinationKey> } | undefined {
  const desired = moment.update.desired.services.get(key)
  const provenance = moment.update.provenance.get(key)
  if (desired === undefined || provenance === undefined) return undefined
  const sources = moment.sources.get(key) ?? []
  const inKernel = moment.table?.get(key)
  const backends = new Set([...backendsOf(key, moment), ...(inKernel?.destinations.keys() ?? [])])
  return { around: { desired, provenance, sources, inKernel, moment }, backends }
}

function poolOf(key: ServiceKey, { desired, provenance, sources, moment }: Around): Omit<ServiceStanding, 'backends'> {
  return {
    service: desired.name,
    key,
    scheduler: desired.scheduler,
    complete: desired.complete,
    pool: poolStanding(provenance.pool),
    ...failuresOf(key, desired, moment.failing),
    sources: sources.map(sourceStanding),
  }
}

/** Objects are called by the key of their service, with that of a destination behind it, or by its address. */
function failuresOf(
  key: ServiceKey,
  { identity, virtualAddress }: DesiredService,
  failing: Moment['failing'],
): Pick<ServiceStanding, 'failures'> {
  const address = virtualAddress !== undefined && identity.kind === 'address' ? identity.address : undefined
  const failures = failing.flatMap(({ object, message }) =>
    object === key || object === address || object.startsWith(`${key} `) ? [message] : [],
  )
  return failures.length === 0 ? {} : { failures }
}

function poolStanding({ mode, panicSince, quorum, announced, heldFailures }: ServiceProvenance['pool']): PoolStanding {
  return {
    mode,
    ...(panicSince !== undefined && { panic_since: wallTime(panicSince) }),
    ...(quorum !== undefined && {
      quorum: {
        has: quorum.has,
        since: wallTime(quorum.since),
        measure: quorum.measure,
        min: quorum.spec.min,
        by: quorum.spec.by,
      },
    }),
    ...(announced !== undefined && announced !== 'undecided' && { announced }),
    held_failures: [...heldFailures.keys()],
  }
}

/** 10.0.0.9 before 10.0.0.10. */
const BY_NUMBER = new Intl.Collator('en', { numeric: true })

interface Around {
  readonly desired: DesiredService
  readonly provenance: ServiceProvenance
  readonly sources: readonly SourceStatus[]
  readonly inKernel: ServiceReading | undefined
  readonly moment: Moment
}

const NOBODY_NAMES_IT = ['no source names it']

function backendStanding(backend: DestinationKey, { desired, provenance, sources, inKernel, moment }: Around): BackendStanding {
  const destination = desired.destinations.get(backend)
  const service = serviceKey(desired.identity)
  const { weightScale: scale = 1 } = desired
  const discovered = discoveredStanding(backend, provenance, sources)
  return {
    backend,
    admin: adminStanding(moment.words.get(service)?.get(backend)),
    discovered,
    operational: operationalStanding(backend, provenance),
    weight: destination === undefined ? null : destination.weight / scale,
    reasons: destination?.reasons ?? provenance.leftOut.get(backend) ?? (discovered.state === 'absent' ? NOBODY_NAMES_IT : []),
    ...(moment.table !== undefined && { kernel: kernelStanding(inKernel, backend, scale) }),
  }
}

function operationalStanding(
  backend: DestinationKey,
  { operational, spec }: Pick<ServiceProvenance, 'operational' | 'spec'>,
): OperationalStanding {
  const found = operational.get(backend)
  if (found === undefined) return { state: spec.checks.length > 0 ? 'unknown' : 'unprobed' }
  const { health, since, message } = found
  return { state: health, since: wallTime(since), ...(message !== undefined && { message }) }
}

/** A backend of a service that is not wanted now. */
export function unwantedStanding(service: ServiceKey, backend: DestinationKey, { words, table }: Moment): BackendStanding {
  return {
    backend,
    admin: adminStanding(words.get(service)?.get(backend)),
    discovered: { state: 'absent' },
    operational: { state: 'unprobed' },
    weight: null,
    reasons: ['the service is not wanted now'],
    ...(table !== undefined && { kernel: kernelStanding(table.get(service), backend) }),
  }
}

/** `scale`: what the weights of the service are multiplied by in the kernel. */
function kernelStanding(inKernel: ServiceReading | undefined, backend: DestinationKey, scale = 1): KernelStanding | null {
  const reading = inKernel?.destinations.get(backend)
  return reading === undefined ? null : { weight: reading.destination.weight / scale, ...reading.connections }
}

function discoveredStanding(
  backend: DestinationKey,
  { members, held }: Pick<ServiceProvenance, 'members' | 'held'>,
  sources: readonly SourceStatus[],
): DiscoveredStanding {
  const member = members.get(backend)
  if (member === undefined) return { state: 'absent' }
  const answeredAt = sources.find(({ source }) => source === member.origin)?.answeredAt
  const by = { by: member.origin, ...(answeredAt !== undefined && { answered: wallTime(answeredAt) }) }
  const removal = held.get(backend)
  if (removal !== undefined) return { state: 'held', ...by, since: wallTime(removal.since), rule: removal.rule }
  return { state: member.backend.state ?? 'listed', ...by }
}

/** What the operator said, for people and programs. */
export function adminStanding(word: AdminState | undefined): AdminStanding {
  if (word === undefined) return { state: 'ready' }
  const { state, reason, at, until, weight } = word
  return {
    state,
    ...(reason !== undefined && { reason }),
    since: wallTime(at),
    ...(until !== undefined && { until: wallTime(until) }),
    ...(weight !== undefined && {
      weight: {
        weight: weight.weight,
        ...(weight.reason !== undefined && { reason: weight.reason }),
        since: wallTime(weight.at),
        ...(weight.until !== undefined && { until: wallTime(weight.until) }),
        ...(weight.ramp !== undefined && {
          ramp: {
            from: weight.ramp.from,
            steps: weight.ramp.steps,
            ends: wallTime(weight.ramp.startedAt + weight.ramp.duration),
          },
        }),
      },
    }),
  }
}

/** How the operator paused the daemon, for people and programs. */
export function pauseStanding({ at, until, reason }: Pause): PauseStanding {
  return {
    since: wallTime(at),
    ...(until !== undefined && { until: wallTime(until) }),
    ...(reason !== undefined && { reason }),
  }
}

export function sourceStanding(status: SourceStatus): SourceStanding {
  const { source, state, since, answeredAt, records, heldRemovals, partial, failure } = status
  return {
    source,
    state,
    since: wallTime(since),
    ...(answeredAt !== undefined && { answered: wallTime(answeredAt) }),
    records,
    held_removals: heldRemovals,
    ...(partial && { partial }),
    ...(failure !== undefined && { failure: failure.message }),
  }
}

/** Words about services that are not wanted now. Those of a known service stand among its backends. */
export function absentWords({ words, update }: Pick<Moment, 'words' | 'update'>): AbsentWord[] {
  return [...words].flatMap(([service, backends]) =>
    update.desired.services.has(service)
      ? []
      : [...backends].map(([backend, word]) => ({ service, backend, admin: adminStanding(word) })),
  )
}
