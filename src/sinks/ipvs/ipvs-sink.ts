import { setTimeout } from 'node:timers/promises'
import type { IpvsKernel } from '../../kernel/for-sinks.ts'
import type { Change, ForeignObject, Plan } from '../../model/change.ts'
import type { DesiredState } from '../../model/desired-state.ts'
import { type DestinationKey, destinationKey } from '../../model/destination.ts'
import type { ExpectedKeys, IpvsTable } from '../../model/ipvs-table.ts'
import { isRoadName } from '../../model/probe-road.ts'
import { type ServiceKey, serviceKey } from '../../model/virtual-service.ts'
import type { OwnershipStore } from '../../store/ownership.ts'
import type { PassReport, Sink } from '../sink.ts'
import type { Action } from './actions.ts'
import { SinkMemory } from './memory.ts'
import { Pass } from './pass.ts'
import type { PassRequest } from './pass-request.ts'
import { planServices } from './plan-only.ts'
import { planTable } from './table-settings.ts'
import type { SinkLog, Transition } from './transition.ts'

export interface IpvsSinkOptions {
  readonly kernel: IpvsKernel
  readonly ownership: OwnershipStore
  readonly log?: SinkLog
  /** Called once for each object that changed, after the kernel has taken the change. */
  readonly onTransition?: (transition: Transition) => void
  /** 0 up to 1, for the jitter of retries; Math.random by default. */
  readonly random?: () => number
  /** Milliseconds for the drains of a service that had left the configuration before this process started; 300,000 by default. */
  readonly drainTimeout?: number
}

export interface PassOptions {
  /** As Sink.reconcile says. */
  readonly signal?: AbortSignal | undefined
  /** Left out: every action. One forbidden change in the plan rejects the pass with ACTION_NOT_ALLOWED before any write. */
  readonly allowedActions?: ReadonlySet<Action>
  /** The weights of destinations that the kernel holds stay as they are, a manual 0 too; new ones get the desired weight. */
  readonly keepWeights?: boolean
  /** Called in a full pass with all that it would change of services and destinations; what it throws ends the pass before any write. */
  readonly inspect?: (changes: readonly Change[]) => void
}

export interface ExitOptions {
  /** Milliseconds that `drain` waits at most before it removes what is left; 300,000 by default. */
  readonly timeout?: number
  /** Milliseconds since the epoch; Date.now by default. */
  readonly clock?: () => number
  readonly sleep?: (milliseconds: number) => Promise<void>
}

export interface PlanOnlyOptions {
  /** Milliseconds since the epoch; Date.now by default. */
  readonly now?: number
  readonly previous?: DesiredState
}

/**
 * The IPVS table as a sink. `services` of a desired state are all that the configuration names: one that is missing has
 * left it and is drained and deleted; one whose members are not known yet stands there with `complete: false`.
 */
export interface IpvsSink extends Sink {
  reconcile(desired: DesiredState, scope: 'changes' | 'full', now: number, options?: PassOptions): Promise<PassReport>
  /** What a full pass would do, after one for `previous`. Reads the kernel, writes nothing, and may run beside a daemon. */
  planOnly(desired: DesiredState, options?: PlanOnlyOptions): Promise<Plan>
  /** The table as last read, with what was written since. Empty before the first pass. */
  lastTable(): IpvsTable
  /** The same, service by service: another object once everything was read again. */
  currentTable(): Pick<IpvsTable, 'keys' | 'get'>
  /** Services of ours with destinations that leave. */
  draining(): ReadonlySet<ServiceKey>
  /** Reads the kernel now, for metrics; changes nothing that the sink knows. */
  readTable(options?: { readonly statistics?: boolean }): Promise<IpvsTable>
  /** Whether a service, or a destination of it, is ours and in the kernel, drains included; nothing is while the table was not read. */
  holds(service: ServiceKey, destination?: DestinationKey): boolean
  /** What is there, is not ours and is left alone, as the last pass saw it. */
  foreign(): readonly ForeignObject[]
  /** The report of a full pass that gives way before it has read anything; undefined while the table is not known, for then nobody can be faster. */
  givenWay(): PassReport | undefined
  /**
   * What `on_exit` asks for. `keep` does nothing. `drain` sets all that is ours to weight 0, waits until it is empty or
   * the time is over, then removes it. `remove` removes it at once. Neither deletes a service that holds a foreign destination.
   */
  exit(mode: 'keep' | 'drain' | 'remove', options?: ExitOptions): Promise<PassReport>
}

export function createIpvsSink(options: IpvsSinkOptions): IpvsSink {
  return new IpvsTableSink(options)
}

const DRAIN_TIMEOUT = 300_000

const NO_TABLE: IpvsTable = new Map()

class IpvsTableSink implements IpvsSink {
  readonly name = 'ipvs'
  readonly #options: IpvsSinkOptions
  readonly #memory: SinkMemory

  constructor(options: IpvsSinkOptions) {
    this.#options = options
    this.#memory = new SinkMemory(options.random ?? Math.random)
  }

  reconcile(desired: DesiredState, scope: 'changes' | 'full', now: number, options: PassOptions = {}): Promise<PassReport> {
    return this.#pass({
      desired,
      scope,
      now,
      keepWeights: options.keepWeights ?? false,
      allowedActions: options.allowedActions,
      ...(options.inspect !== undefined && { inspect: options.inspect }),
      leavingTimeout: this.#leavingTimeout,
      // Before it knows the table, there is nothing that it could do faster.
      signal: this.#memory.actual === undefined ? undefined : options.signal,
    })
  }

  async planOnly(desired: DesiredState, { now = Date.now(), previous }: PlanOnlyOptions = {}): Promise<Plan> {
    const { kernel, ownership } = this.#options
    const { record } = ownership
    const { changes, foreign } = await planServices({
      table: await kernel.readTable({ expected: this.#expected() }),
      desired,
      record,
      now,
      ...(previous !== undefined && { previous }),
      leavingTimeout: this.#leavingTimeout,
    })
    const table = await planTable(kernel, desired, record)
    return { changes, tableChanges: table.changes, foreign }
  }

  lastTable(): IpvsTable {
    return this.#memory.actual?.toTable() ?? new Map()
  }

  currentTable(): Pick<IpvsTable, 'keys' | 'get'> {
    return this.#memory.actual?.current ?? NO_TABLE
  }

  draining(): ReadonlySet<ServiceKey> {
    return this.#options.ownership.record.draining
  }

  readTable(options: { readonly statistics?: boolean } = {}): Promise<IpvsTable> {
    return this.#options.kernel.readTable({ ...options, expected: this.#expected() })
  }

  foreign(): readonly ForeignObject[] {
    return this.#memory.foreign()
  }

  givenWay(): PassReport | undefined {
    return this.#memory.actual && this.#gaveWay()
  }

  holds(service: ServiceKey, destination?: DestinationKey): boolean {
    const owned = this.#options.ownership.record.services.get(service)
    if (owned === undefined || (destination !== undefined && !owned.destinations.has(destination))) return false
    const there = this.#memory.actual?.get(service)
    return there !== undefined && (destination === undefined || there.destination(destination) !== undefined)
  }

  async exit(mode: 'keep' | 'drain' | 'remove', options: ExitOptions = {}): Promise<PassReport> {
    if (mode === 'keep') return { applied: {}, failed: [], driftRepaired: 0, foreign: this.foreign().length, draining: 0 }
    const clock = options.clock ?? Date.now
    const sleep = options.sleep ?? ((milliseconds: number) => setTimeout(milliseconds))
    const timeout = mode === 'drain' ? (options.timeout ?? DRAIN_TIMEOUT) : 0
    const deadline = clock() + timeout
    this.#memory.backoff.clearAll()
    if (mode === 'drain') await this.#drainAll(deadline, clock, sleep)
    return await this.#pass(leaving(clock(), 'full', 0, []))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The kernel and the record belong to whoever handed them in.
  }

  /** What is ours is asked for again where a dump misses it. */
  #expected(): ExpectedKeys {
    return new Map([...this.#options.ownership.record.services.values()].map((owned) => [owned.identity, owned.destinations]))
  }

  async #drainAll(deadline: number, clock: () => number, sleep: (milliseconds: number) => Promise<unknown>): Promise<void> {
    let report = await this.#pass(leaving(clock(), 'full', deadline - clock()))
    while (report.draining > 0 && clock() < deadline) {
      await sleep(Math.max(0, Math.min(deadline, report.wakeAt ?? deadline) - clock()))
      report = await this.#pass(leaving(clock(), 'changes', Math.max(1, deadline - clock())))
    }
  }

  async #pass(request: PassRequest): Promise<PassReport> {
    const { kernel, ownership: store, onTransition = () => {} } = this.#options
    const first = this.#memory.previous === undefined
    try {
      const report = await new Pass({ kernel, store, memory: this.#memory, onTransition }, request).run()
      if (first) this.#sayWhatWasLost()
      return report
    } catch (error) {
      if (request.signal?.aborted && error === request.signal.reason) return this.#gaveWay()
      // What was done of a pass that broke off is not known: the next one reads everything.
      this.#memory.actual = undefined
      throw error
    }
  }

  #gaveWay(): PassReport {
    const failed = this.#memory.backoff.list()
    return { applied: {}, failed, driftRepaired: 0, foreign: this.foreign().length, draining: 0, gaveWay: true }
  }

  readonly #leavingTimeout = (service: ServiceKey): number =>
    // The connections of probes end with the probes.
    isRoadName(this.#options.ownership.record.services.get(service)?.name ?? '')
      ? 0
      : (this.#memory.previous?.services.get(service)?.drainTimeout ?? this.#options.drainTimeout ?? DRAIN_TIMEOUT)

  /** Without its record the sink cannot tell what an earlier run made: whoever runs it has to know. */
  #sayWhatWasLost(): void {
    const { log, ownership } = this.#options
    const { origin } = ownership
    if (origin.kind === 'none' || origin.kind === 'loaded') return
    const foreign = this.foreign()
    const why =
      origin.kind === 'corrupt'
        ? `the ownership record was unreadable (${origin.reason}) and was set aside as ${origin.setAside ?? 'nothing'}`
        : `the ownership record was made ${origin.kind === 'other-boot' ? 'before the last boot' : 'in another network namespace'}`
    if (foreign.length === 0)
      log?.warn({ origin }, `Started without a record, because ${why}; nothing in the table became foreign by it.`)
    else {
      const sentence = `Started without a record, because ${why}: what the configuration does not name is foreign now and stays untouched; delete it with ipvsadm where it is not wanted.`
      log?.error({ origin, foreign: foreign.map(foreignText) }, sentence)
    }
  }
}

function leaving(now: number, scope: 'changes' | 'full', timeout: number, syncDaemons?: readonly []): PassRequest {
  const desired = { services: new Map(), ...(syncDaemons === undefined ? {} : { syncDaemons }) }
  return { desired, scope, now, keepWeights: false, allowedActions: undefined, leavingTimeout: () => timeout, signal: undefined }
}

function foreignText(object: ForeignObject): string {
  if (object.kind === 'service') return serviceKey(object.service.identity)
  return `${serviceKey(object.service)} ${destinationKey(object.destination)}`
}
