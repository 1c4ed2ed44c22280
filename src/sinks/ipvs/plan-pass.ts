import type { ForeignObject } from '../../model/change.ts'
import type { DesiredService, DesiredState } from '../../model/desired-state.ts'
import type { ServiceReading } from '../../model/ipvs-table.ts'
import type { ServiceIdentity, ServiceKey } from '../../model/virtual-service.ts'
import type { OwnershipRecord } from '../../store/ownership.ts'
import type { ActualTable } from './actual-table.ts'
import { PORTION, planService } from './plan-service.ts'
import { isTask } from './step.ts'
import { Turn } from './turn.ts'
import type { Visits } from './visits.ts'
import { addTask, emptyWork, objectName, type Work } from './work.ts'

/** What a whole pass is planned from. */
export interface PassInput {
  readonly visits: Visits
  readonly desired: DesiredState
  readonly previous: DesiredState | undefined
  readonly actual: ActualTable
  readonly record: OwnershipRecord
  readonly now: number
  readonly keepWeights: boolean
  /** Milliseconds for the destinations of a service that leaves. */
  readonly leavingTimeout: (service: ServiceKey) => number
  readonly idle: (object: string) => boolean
  readonly settled: (object: string, service: ServiceKey) => boolean
  /** Services that an earlier pass found to be as desired. */
  readonly inOrder: ReadonlyMap<ServiceKey, FoundInOrder>
  /** Whether there are failed objects at all: only then it matters which ones still need something. */
  readonly anyFailed: boolean
  /** Whether an object waits for its next try. */
  readonly holds: (object: string, wanted: unknown) => boolean
}

/** A service in which nothing was to be done, by what it was judged: while both are the same objects the judgement stands. */
export interface FoundInOrder {
  readonly desired: DesiredService
  readonly reading: ServiceReading
}

export interface PassPlan {
  readonly work: Work
  /** Foreign destinations of the services that were looked at whole. */
  readonly foreign: ReadonlyMap<ServiceKey, readonly ForeignObject[]>
  /** Per service that was looked at, the objects that need a write, whether they wait for a retry or not; none without failed objects. */
  readonly needy: ReadonlyMap<ServiceKey, ReadonlySet<string>>
  /** Services that were looked at whole: how they were found to be in order, or undefined where something is to be done. */
  readonly found: ReadonlyMap<ServiceKey, FoundInOrder | undefined>
}

/** Plans the visited services one after the other, without holding up the event loop. */
export async function planPass(input: PassInput): Promise<PassPlan> {
  const work = emptyWork()
  const foreign = new Map<ServiceKey, ForeignObject[]>()
  const needy = new Map<ServiceKey, Set<string>>()
  const found = new Map<ServiceKey, FoundInOrder | undefined>()
  const turn = new Turn()
  for (const [service, keys] of input.visits) {
    const owned = input.record.services.get(service)
    const desired = input.desired.services.get(service)
    const identity = desired?.identity ?? owned?.identity
    if (identity === undefined || (desired === undefined && input.desired.undecided?.has(service))) continue
    if (turn.isOver()) await turn.next()
    if (stillInOrder(input, service)) continue
    const name = desired?.name ?? owned?.name ?? service
    const aliens: ForeignObject[] = []
    const needs = new Set<string>()
    let steps = 0
    const whole = keys === 'all' || owned === undefined || input.actual.get(service) === undefined
    planning: for (const portion of planService(serviceInput(input, service, whole ? undefined : keys))) {
      if (turn.isOver(PORTION)) await turn.next()
      for (const step of portion) {
        if (!isTask(step)) {
          aliens.push({ kind: 'destination', service: identity, name, destination: step.destination })
          continue
        }
        steps += 1
        const object = objectName(service, step.kind === 'destination' ? step.key : undefined)
        const wanted = step.kind === 'destination' ? desired?.destinations.get(step.key) : desired
        if (step.change && input.anyFailed) needs.add(object)
        if (!input.holds(object, wanted)) addTask(work, { service, identity, name, object, wanted, step })
        else if (step.change?.kind === 'add-service') break planning
      }
    }
    needy.set(service, needs)
    if (!whole) continue
    foreign.set(service, aliens)
    found.set(service, steps === 0 ? judgement(input, service) : undefined)
  }
  return { work, foreign, needy, found }
}

/** With drains time itself changes the judgement, with kept weights it holds for this pass alone. */
function judgement(input: PassInput, service: ServiceKey): FoundInOrder | undefined {
  const desired = input.desired.services.get(service)
  const reading = input.actual.get(service)?.untouched
  const draining = (input.record.services.get(service)?.drains.size ?? 0) > 0
  return desired && reading && !draining && !input.keepWeights ? { desired, reading } : undefined
}

function stillInOrder(input: PassInput, service: ServiceKey): boolean {
  const found = input.inOrder.get(service)
  if (found === undefined) return false
  return found.desired === input.desired.services.get(service) && found.reading === input.actual.get(service)?.untouched
}

/** Services that are not ours and do not become ours. */
export function foreignServices(actual: ActualTable, desired: DesiredState, record: OwnershipRecord): ForeignObject[] {
  const foreign: ForeignObject[] = []
  for (const key of actual.keys()) {
    const service = actual.get(key)
    const wanted = desired.services.get(key)
    if (!service || (wanted !== undefined && wanted.adopt !== 'never') || record.services.has(key)) continue
    foreign.push({ kind: 'service', service: service.service, destinations: service.size })
  }
  return foreign
}

/** Identities by which the visited services are read. */
export function identitiesOf(services: Iterable<ServiceKey>, desired: DesiredState, record: OwnershipRecord): ServiceIdentity[] {
  const identities: ServiceIdentity[] = []
  for (const key of services) {
    const identity = desired.services.get(key)?.identity ?? record.services.get(key)?.identity
    if (identity) identities.push(identity)
  }
  return identities
}

function serviceInput(input: PassInput, service: ServiceKey, keys: Parameters<typeof planService>[0]['keys']) {
  return {
    key: service,
    desired: input.desired.services.get(service),
    previous: input.previous?.services.get(service),
    actual: input.actual.get(service),
    owned: input.record.services.get(service),
    keys,
    now: input.now,
    drainTimeout: input.leavingTimeout(service),
    keepWeights: input.keepWeights,
    idle: (key) => input.idle(objectName(service, key)),
    settled: (key) => input.settled(objectName(service, key), service),
  } satisfies Parameters<typeof planService>[0]
}
