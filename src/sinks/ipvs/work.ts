import type { Change } from '../../model/change.ts'
import type { DestinationKey } from '../../model/destination.ts'
import type { ServiceIdentity, ServiceKey } from '../../model/virtual-service.ts'
import type { Drain, OwnershipEdit, OwnershipRecord } from '../../store/ownership.ts'
import type { DestinationStep, ServiceStep } from './step.ts'
import { Turn } from './turn.ts'

/** A step with what is needed to carry it out. */
export interface Task {
  readonly service: ServiceKey
  readonly identity: ServiceIdentity
  readonly name: string
  /** What failures and retries are counted by: the service key, or both keys. */
  readonly object: string
  /** What is wanted of the object; a retry waits only while this stays the same. */
  readonly wanted: unknown
  readonly step: ServiceStep | DestinationStep
}

/** The tasks of a pass by the order in which they are done: what adds, what edits, what removes, and what only touches the record. */
export interface Work {
  readonly creations: Task[]
  readonly edits: Task[]
  readonly removals: Task[]
  readonly recordOnly: Task[]
}

export function emptyWork(): Work {
  return { creations: [], edits: [], removals: [], recordOnly: [] }
}

/** The name under which an object of the table fails and is retried. */
export function objectName(service: ServiceKey, destination?: DestinationKey): string {
  return destination === undefined ? service : `${service} ${destination}`
}

export function addTask(work: Work, task: Task): void {
  const { change } = task.step
  if (change === undefined) work.recordOnly.push(task)
  else if (change.kind === 'add-service' || change.kind === 'add-destination') work.creations.push(task)
  else if (change.kind === 'delete-service' || change.kind === 'delete-destination') work.removals.push(task)
  else work.edits.push(task)
}

/** Edits that raise a weight from 0 come first, so that a pool whose members change places is never without one. */
export function inOrder(edits: readonly Task[]): Task[] {
  const raises = (task: Task) => {
    const { change } = task.step
    return change?.kind === 'edit-destination' && change.before.weight === 0
  }
  return [...edits.filter(raises), ...edits.filter((task) => !raises(task))]
}

export function tasksOf(work: Work): Task[] {
  return [...work.recordOnly, ...work.creations, ...inOrder(work.edits), ...work.removals]
}

export function changesOf(work: Work): Change[] {
  return [...work.creations, ...inOrder(work.edits), ...work.removals].flatMap(({ step }) => step.change ?? [])
}

/** What the record has to say before the kernel is written: what becomes ours, and the drains that begin or are called off. */
export async function intentsOf(tasks: readonly Task[], record: OwnershipRecord): Promise<OwnershipEdit[]> {
  const own = new Map<ServiceKey, DestinationKey[]>()
  const undrain = new Map<ServiceKey, DestinationKey[]>()
  const drain = new Map<ServiceKey, [DestinationKey, Drain][]>()
  const services = new Map<ServiceKey, OwnershipEdit>()
  const turn = new Turn()
  for (const { service, identity, name, step } of tasks) {
    if (turn.isOver()) await turn.next()
    if (step.own && !record.services.has(service)) services.set(service, { do: 'own-service', service: identity, name })
    if (step.kind === 'service') continue
    if (step.own) append(own, service, step.key)
    if (step.undrain) append(undrain, service, step.key)
    if (step.drain) append(drain, service, [step.key, step.drain])
  }
  const edits: OwnershipEdit[] = [...services.values()]
  for (const [service, destinations] of own) edits.push(...inPortions('own', service, destinations))
  for (const [service, destinations] of undrain) edits.push(...inPortions('undrain', service, destinations))
  for (const [service, drains] of drain) edits.push({ do: 'drain', service, destinations: Object.fromEntries(drains) })
  return edits
}

/** What the record forgets once the kernel has let go of it. */
export function forgetsOf(tasks: readonly Task[]): OwnershipEdit[] {
  const services = new Set<ServiceKey>()
  const destinations = new Map<ServiceKey, DestinationKey[]>()
  for (const { service, step } of tasks) {
    if (!step.forget) continue
    if (step.kind === 'service') services.add(service)
    else append(destinations, service, step.key)
  }
  const edits: OwnershipEdit[] = []
  for (const service of services) edits.push({ do: 'forget-service', service })
  for (const [service, keys] of destinations) if (!services.has(service)) edits.push(...inPortions('forget', service, keys))
  return edits
}

/** Whether a change may be made while the record cannot be written: edits of what is ours already. */
export function needsNoRecord(task: Task): boolean {
  const { change, own } = task.step
  return own === undefined && (change?.kind === 'edit-service' || change?.kind === 'edit-destination')
}

const PORTION = 500

function* inPortions(
  verb: 'own' | 'forget' | 'undrain',
  service: ServiceKey,
  keys: readonly DestinationKey[],
): Generator<OwnershipEdit> {
  for (let at = 0; at < keys.length; at += PORTION) yield { do: verb, service, destinations: keys.slice(at, at + PORTION) }
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list) list.push(value)
  else map.set(key, [value])
}
