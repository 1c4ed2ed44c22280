import { concat, NEVER, type Observable, of } from 'rxjs'
import type { Configuration, Settings } from '../config/configuration.ts'
import type { OperatorWords } from '../model/admin-state.ts'
import type { Plan } from '../model/change.ts'
import type { DesiredState } from '../model/desired-state.ts'
import { type DestinationKey, destinationKey } from '../model/destination.ts'
import type { IpvsTable, IpvsTimeouts, SyncDaemon } from '../model/ipvs-table.ts'
import { isRoadName } from '../model/probe-road.ts'
import { type ServiceIdentity, type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import type { Past, SourceStatus } from '../pipeline/desired-update.ts'
import type { HeldServices } from '../sinks/firewall/firewall-sink.ts'
import { createIpvsSink, type PassOptions } from '../sinks/ipvs/ipvs-sink.ts'
import type { Transition } from '../sinks/ipvs/transition.ts'
import type { PassReport } from '../sinks/sink.ts'
import { openRegistriesWith } from '../sources/registry.ts'
import { steadyScheduler, wallAhead } from '../steady-scheduler.ts'
import { openClaims } from '../store/claims.ts'
import { type OwnershipRecord, openOwnership } from '../store/ownership.ts'
import { openSnapshots, type SnapshotStore } from '../store/snapshots.ts'
import { openWords } from '../store/words.ts'
import { originSentence } from './announce.ts'
import { type FoundOnce, unknownSentence } from './ask-once.ts'
import { ClaimNotes, claimsPast, claimsSentence, keepClaimsIn } from './claims.ts'
import { type Asking, type DesiredOnce, desiredOnce, type HeldOfService } from './desired-once.ts'
import { daemonServes } from './find-socket.ts'
import type { Host } from './host.ts'
import { KernelWatch } from './kernel-known.ts'
import { keepIn, PATIENCE, pastOf, snapshotsSentence } from './last-good.ts'
import { wordsSentence } from './operator.ts'
import { planSinks } from './planned-sinks.ts'
import { keptRoads } from './probe-roads.ts'
import { settle } from './settle.ts'
import { openSinks } from './sinks.ts'
import { assertWritable } from './state-directory.ts'

/** What a plan is worth: the changes, and what could not be asked. */
export interface PlanResult {
  readonly plan: Plan
  readonly unanswered: readonly SourceStatus[]
  readonly held: readonly HeldOfService[]
  /** What the backends said that were asked. */
  readonly found: readonly FoundOnce[]
  /** Sentences about the state directory, and about who was not asked or came to no verdict. */
  readonly notes: readonly string[]
}

/** What one pass did. */
export interface OnceResult {
  readonly report: PassReport
  readonly transitions: readonly Transition[]
  readonly unanswered: readonly SourceStatus[]
  readonly held: readonly HeldOfService[]
  readonly found: readonly FoundOnce[]
  readonly notes: readonly string[]
}

/** Milliseconds in which a command asks the backends, or `off`: it does not. */
export type Probing = number | 'off'

/** Milliseconds. Enough for three probes in a row that wait three seconds each. */
export const PROBE_TIMEOUT = 10_000

/** Milliseconds that a single pass waits for source NAT and for addresses: no later one makes up for it. */
const SINK_PATIENCE = 60_000

/** What would change if a pass ran now. Takes no lock and writes nothing, so it may run beside a daemon. */
export async function planNow(host: Host, configuration: Configuration, probing: Probing = 'off'): Promise<PlanResult> {
  const { stateDir, kernelDeadline } = configuration.settings
  await using parts = new AsyncDisposableStack()
  const kernel = parts.use(await host.openKernel(kernelDeadline))
  const ownership = await openOwnership({ directory: stateDir, access: 'read' })
  const sink = parts.use(createIpvsSink({ kernel, ownership }))
  await using snapshots = await openSnapshots({ directory: stateDir, inUse: daemonServes(stateDir), access: 'read' })
  const notes = notesOn(originSentence(ownership.origin), snapshotsSentence(snapshots.origin))
  const claims = parts.use(await openClaims({ directory: stateDir, inUse: daemonServes(stateDir), access: 'read' }))
  const teller = new ClaimNotes()
  const operator$ = await wordsNow(stateDir, notes)
  const past = pastNow(snapshots, notes)
  const { known$: kernel$ } = new KernelWatch(host, await sink.readTable())
  const history = { past, operator$, kernel$, claims: { past: claimsPast(claims, ownership.record), ...teller.options } }
  const asking = askingBy(host, configuration, probing)
  const once = await desiredOnce(configuration, openRegistriesWith(), history, asking)
  const { unanswered, held, found } = once
  const desired = besideRoads(once, ownership.record)
  notes.push(
    ...notesOn(claimsSentence(claims.origin)),
    ...teller.notes(),
    ...notesOn(unaskedSentence(once, asking)),
    ...unknownIn(found),
  )
  const now = steadyScheduler.now()
  const table = await sink.planOnly(desired, { now })
  const after = {
    isServed: servedAfter(table, desired, ownership.record),
    held: heldAfter(table, await sink.readTable(), ownership.record),
  }
  const beside = await planSinks({ host, configuration }, desired, after, now)
  notes.push(...beside.notes)
  const plan = { ...table, ...(beside.changes.length > 0 && { sinkChanges: beside.changes }) }
  return { plan, unanswered, held, found, notes }
}

/**
 * One full pass. Holds the table while it runs: rejects with TABLE_HELD beside a daemon, before anything is read or
 * written. With `options.allowedActions` the whole plan is checked before the first write (ACTION_NOT_ALLOWED). Whoever
 * applies a file says himself what every backend is to be: then neither probes nor the operator's word count.
 */
export async function passOnce(
  host: Host,
  command: 'once' | 'apply',
  configuration: Configuration,
  { probing = PROBE_TIMEOUT, ...options }: PassOptions & { readonly probing?: Probing } = {},
): Promise<OnceResult> {
  const { stateDir, kernelDeadline } = configuration.settings
  await using parts = new AsyncDisposableStack()
  parts.use(await host.holdTable(command))
  const kernel = parts.use(await host.openKernel(kernelDeadline))
  await assertWritable(stateDir)
  const ownership = await openOwnership({ directory: stateDir })
  const notes = notesOn(originSentence(ownership.origin))
  const snapshots = parts.use(
    await openSnapshots({
      directory: stateDir,
      inUse: daemonServes(stateDir),
      onFailure: ({ message }) => notes.push(message),
    }),
  )
  notes.push(...notesOn(snapshotsSentence(snapshots.origin)))
  const transitions: Transition[] = []
  const ipvs = parts.use(
    createIpvsSink({ kernel, ownership, onTransition: (each) => isRoadName(each.name) || transitions.push(each) }),
  )
  const { sink } = parts.use(await openSinks({ host, ipvs, configuration, patience: SINK_PATIENCE }))
  const place = { directory: stateDir, inUse: daemonServes(stateDir) }
  const claims = parts.use(await openClaims({ ...place, onFailure: ({ message }) => notes.push(message) }))
  const teller = new ClaimNotes(keepClaimsIn(claims))
  const history = {
    past: pastNow(snapshots, notes),
    ...(command === 'once' && {
      operator$: await wordsNow(stateDir, notes),
      kernel$: new KernelWatch(host, await ipvs.readTable()).known$,
    }),
    onLastGood: keepIn(snapshots),
    claims: { past: claimsPast(claims, ownership.record), ...teller.options },
  }
  const asking = command === 'apply' ? 'without checks' : askingBy(host, configuration, probing)
  const wanted = await desiredOnce(configuration, openRegistriesWith(), history, asking)
  const { unanswered, held, found } = wanted
  const desired = besideRoads(wanted, ownership.record)
  notes.push(...notesOn(claimsSentence(claims.origin)), ...teller.notes(), ...unknownIn(found))
  const report = await settle(sink, desired, options, await sink.reconcile(desired, 'full', steadyScheduler.now(), options))
  notes.push(...notesOn(pendingSentence(report)))
  await Promise.all([snapshots.flush(), claims.flush()])
  return { report, transitions, unanswered, held, found, notes }
}

/** What IPVS holds after a plan was carried out: what is wanted, and what left and still drains. */
function servedAfter(plan: Plan, desired: DesiredState, { services }: OwnershipRecord): (key: ServiceKey) => boolean {
  const gone = new Set(plan.changes.flatMap(({ kind, service }) => (kind === 'delete-service' ? [serviceKey(service)] : [])))
  return (key) => desired.services.has(key) || (services.has(key) && !gone.has(key))
}

/** What is ours of it, in the table as it was read: what a plan deletes is not held any more. */
function heldAfter({ changes }: Plan, table: IpvsTable, { services }: OwnershipRecord): HeldServices {
  const gone = new Set(
    changes.flatMap((change) => {
      const key = serviceKey(change.service)
      if (change.kind === 'delete-service') return [key]
      return change.kind === 'delete-destination' ? [`${key} ${destinationKey(change.before)}`] : []
    }),
  )
  const holds = (key: ServiceKey, destination?: DestinationKey) => {
    const owned = services.get(key)
    const there = table.get(key)
    if (owned === undefined || there === undefined || gone.has(key)) return false
    if (destination === undefined) return true
    return owned.destinations.has(destination) && there.destinations.has(destination) && !gone.has(`${key} ${destination}`)
  }
  return { table, holds }
}

/** Services for probes are the daemon's: those that it made and will want again are left alone. */
function besideRoads({ desired, provenance }: DesiredOnce, record: OwnershipRecord): DesiredState {
  const kept = keptRoads(provenance, record)
  return kept.size === 0 ? desired : { ...desired, undecided: new Set([...(desired.undecided ?? []), ...kept]) }
}

function pendingSentence({ pending = 0 }: PassReport): string | undefined {
  if (pending === 0) return undefined
  const which = pending === 1 ? '1 address is' : `${pending} addresses are`
  return `${which} not added yet, because the neighbours have not answered in time whether another host holds it; run this again.`
}

/** The kernel's IPVS as it is, ours or not. */
export interface KernelNow {
  readonly table: IpvsTable
  readonly timeouts: IpvsTimeouts
  readonly syncDaemons: readonly SyncDaemon[]
  /** Of services that are ours by the record in the state directory, where that can be read. */
  readonly names: ReadonlyMap<ServiceKey, string>
}

/** Reads and writes nothing else. */
export async function readKernelNow(host: Host, { stateDir, kernelDeadline }: Settings): Promise<KernelNow> {
  await using kernel = await host.openKernel(kernelDeadline)
  const names = new Map<ServiceKey, string>()
  const expected = new Map<ServiceIdentity, ReadonlySet<DestinationKey>>()
  try {
    const { record } = await openOwnership({ directory: stateDir, access: 'read' })
    for (const [key, { name, identity, destinations }] of record.services) {
      names.set(key, name)
      expected.set(identity, destinations)
    }
  } catch {
    // Without the record the services are called by their keys.
  }
  const table = await kernel.readTable({ expected })
  return { table, timeouts: await kernel.readTimeouts(), syncDaemons: await kernel.readSyncDaemons(), names }
}

function pastNow(snapshots: SnapshotStore, notes: string[]): Past {
  return pastOf(snapshots, {
    now: steadyScheduler.now,
    patience: PATIENCE.oneShot,
    onOld: (sentence) => notes.push(sentence),
  })
}

function askingBy(host: Host, { settings }: Configuration, probing: Probing): Asking {
  if (probing === 'off') return 'nobody'
  const { maxProbes: limit } = settings
  return { probeFor: (kind, target) => host.probeFor(kind, target), limit, within: probing, scheduler: steadyScheduler }
}

function unaskedSentence({ checked }: DesiredOnce, asking: Asking): string | undefined {
  if (asking !== 'nobody' || checked === 0) return undefined
  const which = checked === 1 ? '1 service has' : `${checked} services have`
  return `${which} health checks, and no backend was asked: weights are those before the first answers. plan --probes asks.`
}

function unknownIn(found: readonly FoundOnce[]): string[] {
  return notesOn(...found.map(unknownSentence))
}

/** What the operator said to a daemon counts without one as well. */
async function wordsNow(directory: string, notes: string[]): Promise<Observable<OperatorWords>> {
  const words = await openWords({ directory, inUse: daemonServes(directory), access: 'read', ahead: wallAhead })
  notes.push(...notesOn(wordsSentence(words)))
  return concat(of(words.words), NEVER)
}

function notesOn(...sentences: readonly (string | undefined)[]): string[] {
  return sentences.filter((sentence) => sentence !== undefined)
}
