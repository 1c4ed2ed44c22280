import { setImmediate as nextTurn } from 'node:timers/promises'
import { PointsmanError } from '../../errors.ts'
import { failpoint } from '../../failpoint.ts'
import { type DestinationKey, destinationKey } from '../../model/destination.ts'
import type { ServiceIdentity, ServiceKey } from '../../model/virtual-service.ts'
import type { OwnershipEdit } from '../../store/ownership.ts'
import type { PassReport } from '../sink.ts'
import { onlyAllowed, requireAllowed } from './actions.ts'
import { ActualTable } from './actual-table.ts'
import { drainingServices } from './drain-watch.ts'
import { execute, type Outcome } from './execute.ts'
import type { PassRequest, PassTools } from './pass-request.ts'
import { foreignServices, identitiesOf, planPass } from './plan-pass.ts'
import { refusalText } from './refusal.ts'
import { planTable, reconcileSettings, SETTINGS } from './table-settings.ts'
import { allVisits, alsoVisit, changedVisits, unmetStrangers, type Visits } from './visits.ts'
import { changesOf, forgetsOf, inOrder, intentsOf, needsNoRecord, objectName, type Task, tasksOf, type Work } from './work.ts'

const RECORD = 'ownership record'
/** A sink that asks to be called again waits at least this many milliseconds. */
const SHORTEST_WAIT = 250

/** One pass from reading to report. */
export class Pass {
  readonly #tools: PassTools
  readonly #request: PassRequest
  readonly #applied: Record<string, number> = {}
  #driftRepaired = 0

  constructor(tools: PassTools, request: PassRequest) {
    this.#tools = tools
    this.#request = request
  }

  async run(): Promise<PassReport> {
    const { memory } = this.#tools
    const full = this.#request.scope === 'full' || memory.actual === undefined
    const actual = full ? await this.#readTable() : await this.#readDrains()
    const visits = full ? allVisits(this.#request.desired, this.#record) : this.#visits()
    this.#noteNames(visits)
    const strangers = full ? [] : unmetStrangers(visits, this.#request.desired, this.#record)
    if (strangers.length > 0) await this.#refresh(strangers, actual)
    const surprised = await this.#round(visits, actual, 'first')
    if (surprised.size > 0) {
      await this.#refresh(surprised, actual)
      await this.#round(new Map([...surprised].map((key) => [key, 'all'])), actual, 'last')
    }
    if (full) memory.foreignServices = foreignServices(actual, this.#request.desired, this.#record)
    for (const change of await reconcileSettings(this.#tools, this.#request, full)) this.#count(change.kind, change.drifted)
    memory.previous = this.#request.desired
    this.#tidyFailures()
    return this.#report()
  }

  get #record() {
    return this.#tools.store.record
  }

  async #readTable(): Promise<ActualTable> {
    const { kernel, memory } = this.#tools
    const expected = new Map<ServiceIdentity, ReadonlySet<DestinationKey>>()
    for (const { identity, destinations } of this.#record.services.values()) expected.set(identity, destinations)
    const began = performance.now()
    const { signal } = this.#request
    const actual = new ActualTable(await kernel.readTable({ expected, ...(signal !== undefined && { signal }) }))
    memory.actual = actual
    // Taking over a large answer has used up this turn of the event loop.
    await nextTurn()
    this.#observeDrains(actual, performance.now() - began)
    signal?.throwIfAborted()
    return actual
  }

  /** In a pass for changes only services with drains are read, and those when it is time. */
  async #readDrains(): Promise<ActualTable> {
    const { memory } = this.#tools
    const actual = memory.actual as ActualTable
    const { services } = drainingServices(this.#record, this.#request.desired)
    if (services.length === 0 || !memory.drains.isDue(this.#request.now)) return actual
    const began = performance.now()
    await this.#refresh(services, actual)
    this.#observeDrains(actual, performance.now() - began)
    return actual
  }

  #observeDrains(actual: ActualTable, took: number): void {
    const { services } = drainingServices(this.#record, this.#request.desired)
    this.#tools.memory.drains.observe(services, this.#record, actual, this.#request.now, took)
  }

  /** Reads services again. Everything that was believed to be in them is expected, what is not ours too. */
  async #refresh(services: Iterable<ServiceKey>, actual: ActualTable): Promise<void> {
    const identities = identitiesOf(services, this.#request.desired, this.#record)
    actual.refresh(identities, await this.#tools.kernel.readServices(identities, { expected: actual.expected(identities) }))
  }

  #visits(): Visits {
    const { memory } = this.#tools
    const { desired, now } = this.#request
    const visits = memory.previous
      ? changedVisits(desired, memory.previous)
      : (new Map(allVisits(desired, this.#record)) as ReturnType<typeof changedVisits>)
    for (const key of [...memory.backoff.due(now), ...memory.undone] as ServiceKey[]) {
      if (desired.services.has(key) || this.#record.services.has(key)) alsoVisit(visits, key, 'all')
    }
    for (const key of drainingServices(this.#record, desired).services) {
      alsoVisit(visits, key, desired.services.has(key) ? (this.#record.services.get(key)?.drains.keys() ?? []) : 'all')
    }
    return visits
  }

  /** Plans and carries out; what it gives back are the services that turned out to be otherwise than believed. */
  async #round(visits: Visits, actual: ActualTable, round: 'first' | 'last'): Promise<Set<ServiceKey>> {
    const { memory } = this.#tools
    const { desired, now } = this.#request
    const plan = await planPass({
      ...this.#request,
      visits,
      previous: memory.previous,
      actual,
      record: this.#record,
      inOrder: memory.inOrder,
      anyFailed: memory.backoff.size > 0,
      idle: (object) => memory.drains.isIdle(object),
      settled: (object, service) => !memory.backoff.has(object) && !memory.undone.has(service),
      holds: (object, wanted) => memory.backoff.holds(object, wanted, now),
    })
    for (const [service, needy] of plan.needy)
      this.#forgetFailures(service, plan.foreign.has(service) ? 'all' : visits.get(service), needy)
    for (const [service, foreign] of plan.foreign) setOrDelete(memory.foreignInside, service, foreign)
    for (const [service, found] of plan.found) {
      if (found) memory.inOrder.set(service, found)
      else memory.inOrder.delete(service)
    }
    await this.#checkAllowed(plan.work, round)
    for (const service of visits.keys()) memory.undone.delete(service)
    return await this.#carryOut(onlyAllowed(plan.work, this.#request.allowedActions, desired), actual, round)
  }

  /** Before the first write the whole plan must be allowed; what turns up later is left out, because writes were made. */
  async #checkAllowed(work: Work, round: 'first' | 'last'): Promise<void> {
    const { allowedActions, inspect, desired, scope } = this.#request
    if (round === 'last' || scope !== 'full') return
    inspect?.(changesOf(work))
    if (allowedActions === undefined) return
    const table = await planTable(this.#tools.kernel, desired, this.#record)
    requireAllowed(changesOf(work), table.changes, allowedActions, desired)
  }

  /** What was looked at and needs nothing has not failed any more. */
  #forgetFailures(service: ServiceKey, looked: Iterable<DestinationKey> | 'all' | undefined, needy: ReadonlySet<string>): void {
    const { backoff } = this.#tools.memory
    if (looked === 'all') backoff.keepOnly(service, needy)
    else for (const key of looked ?? []) if (!needy.has(objectName(service, key))) backoff.clear(objectName(service, key))
  }

  async #carryOut(planned: Work, actual: ActualTable, round: 'first' | 'last'): Promise<Set<ServiceKey>> {
    const surprised = new Set<ServiceKey>()
    const done: Task[] = []
    const write = async (tasks: readonly Task[]) => {
      const outcome = await execute(this.#tools.kernel, tasks, (task) => this.#done(task, actual))
      for (const task of outcome.done) if (task.step.forget) done.push(task)
      this.#failures(outcome, surprised, round)
    }
    const work = await this.#writeIntents(planned)
    for (const task of work.recordOnly) this.#announce(task)
    if (work.creations.length > 0) {
      await write(work.creations)
      failpoint('ipvs.after-creations')
    }
    if (work.edits.length > 0) {
      await write(inOrder(work.edits))
      failpoint('ipvs.after-edits')
    }
    const removals = await this.#confirmed(work.removals, actual, surprised)
    if (removals.length > 0) {
      failpoint('ipvs.before-deletions')
      await write(removals)
      failpoint('ipvs.after-deletions')
    }
    await this.#writeForgets([...work.recordOnly.filter(({ step }) => step.forget), ...done])
    return surprised
  }

  /** Makes the intents durable; what is left of the work when that cannot be done is what needs no record. */
  async #writeIntents(work: Work): Promise<Work> {
    const { store, memory } = this.#tools
    const intents = await intentsOf(tasksOf(work), this.#record)
    if (intents.length === 0) return work
    try {
      failpoint('ipvs.before-intent-record')
      await store.write([...intents, ...this.#renamed()])
      failpoint('ipvs.after-intent-record')
      memory.backoff.clear(RECORD)
      return work
    } catch (error) {
      this.#recordFailed(error)
      for (const { service } of [...work.recordOnly, ...work.creations, ...work.edits, ...work.removals])
        memory.undone.add(service)
      return { creations: [], edits: work.edits.filter(needsNoRecord), removals: [], recordOnly: [] }
    }
  }

  async #writeForgets(tasks: readonly Task[]): Promise<void> {
    const forgets = forgetsOf(tasks)
    if (forgets.length === 0) return
    try {
      failpoint('ipvs.before-forget-record')
      await this.#tools.store.write(forgets)
      failpoint('ipvs.after-forget-record')
    } catch (error) {
      this.#recordFailed(error)
      for (const { service } of tasks) this.#tools.memory.undone.add(service)
    }
  }

  /** Names are labels: a new one is recorded along with something else and never by itself. */
  #renamed(): OwnershipEdit[] {
    const edits: OwnershipEdit[] = []
    for (const key of this.#tools.memory.renamed) {
      const name = this.#newName(key)
      const owned = this.#record.services.get(key)
      if (name !== undefined && owned !== undefined) edits.push({ do: 'own-service', service: owned.identity, name })
    }
    return edits
  }

  #noteNames(visits: Visits): void {
    const { renamed } = this.#tools.memory
    for (const key of visits.keys()) {
      if (this.#newName(key) === undefined) renamed.delete(key)
      else renamed.add(key)
    }
  }

  #newName(key: ServiceKey): string | undefined {
    const name = this.#request.desired.services.get(key)?.name
    return name === this.#record.services.get(key)?.name ? undefined : name
  }

  #recordFailed(error: unknown): void {
    if (!(error instanceof PointsmanError) || error.code !== 'STATE_UNWRITABLE') throw error
    this.#tools.memory.backoff.fail(RECORD, RECORD, undefined, this.#request.now, error)
  }

  /** Deleting a service deletes what is in it: it is read once more, and spared when something foreign has appeared. */
  async #confirmed(removals: readonly Task[], actual: ActualTable, surprised: Set<ServiceKey>): Promise<readonly Task[]> {
    const services = removals.filter(({ step }) => step.kind === 'service').map(({ service }) => service)
    if (services.length === 0) return removals
    await this.#refresh(services, actual)
    for (const service of services) {
      const owned = this.#record.services.get(service)?.destinations
      for (const key of actual.get(service)?.keys() ?? []) if (!owned?.has(key)) surprised.add(service)
      if (surprised.has(service)) this.#tools.memory.undone.add(service)
    }
    return removals.filter(({ service }) => !surprised.has(service))
  }

  #done(task: Task, actual: ActualTable): void {
    const { change } = task.step
    if (change === undefined) return
    actual.apply(task.service, task.step)
    this.#count(change.kind, change.cause === 'drift')
    this.#tools.memory.backoff.clear(task.object)
    this.#announce(task)
  }

  #count(kind: string, drifted: boolean): void {
    this.#applied[kind] = (this.#applied[kind] ?? 0) + 1
    if (drifted) this.#driftRepaired += 1
  }

  #announce({ service, step }: Task): void {
    if (step.kind === 'destination' && step.own) this.#noLongerForeign(service, step.key)
    if (step.kind === 'service') for (const transition of step.others ?? []) this.#tools.onTransition(transition)
    if (step.transition) this.#tools.onTransition(step.transition)
  }

  #noLongerForeign(service: ServiceKey, key: DestinationKey): void {
    const { foreignInside } = this.#tools.memory
    const rest = foreignInside
      .get(service)
      ?.filter((object) => object.kind !== 'destination' || destinationKey(object.destination) !== key)
    if (rest) setOrDelete(foreignInside, service, rest)
  }

  #failures(outcome: Outcome, surprised: Set<ServiceKey>, round: 'first' | 'last'): void {
    const refused = round === 'first' ? outcome.refused : [...outcome.refused, ...outcome.surprised.values()]
    if (round === 'first') for (const service of outcome.surprised.keys()) surprised.add(service)
    for (const { task, failure } of refused) {
      const { change } = task.step
      if (change === undefined) continue
      const message = refusalText(change, failure)
      this.#tools.memory.backoff.fail(task.object, task.service, task.wanted, this.#request.now, {
        code: 'KERNEL_REFUSED',
        message,
      })
    }
  }

  /** A failure of something that nobody wants any more is none. */
  #tidyFailures(): void {
    const { backoff, undone } = this.#tools.memory
    if (undone.size === 0) backoff.clear(RECORD)
    for (const owner of backoff.owners()) {
      const key = owner as ServiceKey
      const wanted = this.#request.desired.services.has(key) || this.#record.services.has(key)
      if (!wanted && owner !== RECORD && owner !== SETTINGS) backoff.keepOnly(owner, new Set())
    }
  }

  #report(): PassReport {
    const { memory } = this.#tools
    const { desired, now } = this.#request
    const draining = drainingServices(this.#record, desired)
    return {
      applied: this.#applied,
      failed: memory.backoff.list(),
      driftRepaired: this.#driftRepaired,
      foreign: memory.foreign().length,
      draining: draining.draining,
      ...this.#wake(memory.drains.nextRead(draining, now), memory.backoff.nextRetry()),
    }
  }

  /** A drain that is looked at costs the services with drains, although elsewhere something fails. */
  #wake(drainAt = Number.POSITIVE_INFINITY, retryAt = Number.POSITIVE_INFINITY): Pick<PassReport, 'wakeAt' | 'wakeScope'> {
    const first = Math.min(drainAt, retryAt)
    if (first === Number.POSITIVE_INFINITY) return {}
    const wakeAt = Math.max(this.#request.now + SHORTEST_WAIT, first)
    return { wakeAt, wakeScope: retryAt <= wakeAt ? 'full' : 'changes' }
  }
}

function setOrDelete<K, V>(map: Map<K, readonly V[]>, key: K, values: readonly V[]): void {
  if (values.length === 0) map.delete(key)
  else map.set(key, values)
}
