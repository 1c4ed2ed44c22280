import type { ChangeCause } from '../../model/change.ts'
import type { DesiredService } from '../../model/desired-state.ts'
import type { DestinationKey } from '../../model/destination.ts'
import type { ServiceKey, VirtualService } from '../../model/virtual-service.ts'
import type { OwnedService } from '../../store/ownership.ts'
import type { ActualService } from './actual-table.ts'
import { sameService, serviceText, wantedService } from './attributes.ts'
import { leavesAtOnce, refusesAtZero } from './drain.ts'
import { type DestinationContext, isAsWanted, planDestination } from './plan-destination.ts'
import type { DestinationStep, ServiceStep, Step } from './step.ts'
import type { Transition } from './transition.ts'

/** Destinations that are looked at in one go; then whoever iterates is given a chance to pause. */
export const PORTION = 32

/** Everything that a decision about one service depends on. */
export interface ServiceInput {
  readonly key: ServiceKey
  /** Undefined: the configuration does not name it. */
  readonly desired: DesiredService | undefined
  /** What the last pass worked towards; undefined in the first. */
  readonly previous: DesiredService | undefined
  readonly actual: ActualService | undefined
  readonly owned: OwnedService | undefined
  /** The destinations to look at; undefined means all of them. */
  readonly keys: Iterable<DestinationKey> | undefined
  /** Milliseconds since the epoch. */
  readonly now: number
  /** For the destinations of a service that has left; milliseconds. */
  readonly drainTimeout: number
  readonly keepWeights: boolean
  readonly idle: (key: DestinationKey) => boolean
  /** Whether the last pass left the destination, or without a key the service itself, as it wanted it. */
  readonly settled: (key?: DestinationKey) => boolean
}

/** What is to be done about some objects that were looked at; empty where they need nothing. */
type Steps = readonly Step[]

/**
 * The steps that bring one service to what is desired, the service first. They come in portions, so that whoever iterates over a
 * large pool can pause, and empty ones where nothing is needed. A pure function of its argument.
 */
export function* planService(input: ServiceInput): Generator<Steps> {
  const { desired, actual, owned } = input
  if (desired) {
    if (isNothingKnown(desired) || isSomebodyElses(input)) return
    if (actual) yield* planPresent(input, desired, actual)
    else yield* planAbsent(input, desired)
  } else if (owned) {
    if (actual) yield* planLeaving(input, owned, actual)
    else yield [{ kind: 'service', forget: true }]
  }
}

function* planAbsent(input: ServiceInput, desired: DesiredService): Generator<Steps> {
  const cause = input.settled() && isAskedAlike(desired, input.previous) ? 'drift' : 'configuration'
  const after = wantedService(desired, undefined)
  const transition = serviceTransition(input, desired.name, 'absent', serviceText(after), cause)
  const change = {
    kind: 'add-service' as const,
    cause,
    service: desired.identity,
    name: desired.name,
    after,
  } satisfies ServiceStep['change']
  yield [{ kind: 'service', change, transition, ...(input.owned ? {} : { own: true }) }]
  // Its destinations are missing because it is: only where that is drift are they drift.
  const settled = cause === 'drift' ? input.settled : () => false
  yield* planDestinations({ ...input, settled, keys: undefined }, contextOf(input, desired, after, cause))
}

function* planPresent(input: ServiceInput, desired: DesiredService, actual: ActualService): Generator<Steps> {
  const after = wantedService(desired, actual.service)
  const before = actual.service
  const adopting = input.owned === undefined
  const cause = adopting ? 'adoption' : input.settled() && isAskedAlike(desired, input.previous) ? 'drift' : 'configuration'
  const own = adopting ? { own: true as const } : {}
  if (!sameService(before, after)) {
    const transition = serviceTransition(
      input,
      desired.name,
      adopting ? 'foreign' : serviceText(before),
      serviceText(after),
      cause,
    )
    const change = {
      kind: 'edit-service' as const,
      cause,
      service: desired.identity,
      name: desired.name,
      before,
      after,
    } satisfies ServiceStep['change']
    yield [{ kind: 'service', change, transition, ...own }]
  } else if (adopting) {
    yield [{ kind: 'service', ...own, transition: serviceTransition(input, desired.name, 'foreign', serviceText(after), cause) }]
  }
  const asked = input.previous === undefined ? 'configuration' : 'discovery'
  const all = adopting || input.keys === undefined
  yield* planDestinations(all ? { ...input, keys: undefined } : input, contextOf(input, desired, after, asked))
}

/** Destinations drain; the service goes when none is left that is not going, and never while it holds a foreign one. */
function* planLeaving(input: ServiceInput, owned: OwnedService, actual: ActualService): Generator<Steps> {
  const name = input.previous?.name ?? owned.name
  const context: DestinationContext = {
    key: input.key,
    identity: owned.identity,
    name,
    now: input.now,
    drainTimeout: input.drainTimeout,
    mayRemove: true,
    adoptAll: input.previous?.adopt === 'all',
    refusesAtZero: refusesAtZero(actual.service),
    leavesAtOnce: leavesAtOnce(actual.service),
    cut: undefined,
    keepWeights: false,
    weightScale: input.previous?.weightScale ?? 1,
    absence: 'the configuration does not name the service any more',
    asked: 'configuration',
  }
  const steps: Step[] = []
  for (const portion of portioned(allKeys(input), (key) => planDestination(context, destinationInput(input, undefined, key)))) {
    steps.push(...portion)
    yield []
  }
  const deleted = steps.filter(
    (step) => step.kind === 'destination' && step.change?.kind === 'delete-destination',
  ) as DestinationStep[]
  const remains = actual.size - deleted.length
  if (remains > 0) {
    yield* portioned(steps, (step) => step)
    return
  }
  const before = actual.service
  const step: ServiceStep = {
    kind: 'service',
    change: { kind: 'delete-service', cause: 'configuration', service: owned.identity, name, before },
    forget: true,
    transition: serviceTransition(input, name, serviceText(before), 'absent', 'configuration'),
    others: deleted.flatMap((deletion) => deletion.transition ?? []),
  }
  yield [step]
}

function planDestinations(input: ServiceInput, context: DestinationContext): Generator<Steps> {
  const desired = input.desired?.destinations
  if (input.keys === undefined && desired) return planWholePool(input, context, desired)
  return portioned(input.keys ?? allKeys(input), (key) =>
    planDestination(context, destinationInput(input, desired?.get(key), key)),
  )
}

/** Named destinations first, then those that are there or ours without being named; a look is enough for what is as it should be. */
function* planWholePool(
  input: ServiceInput,
  context: DestinationContext,
  desired: DesiredService['destinations'],
): Generator<Steps> {
  const { actual, owned } = input
  let [there, ours] = [0, 0]
  yield* portioned(desired, ([key, wanted]) => {
    const destination = actual?.destination(key)
    const isOurs = owned?.destinations.has(key) ?? false
    if (destination) there += 1
    if (isOurs) ours += 1
    const draining = owned !== undefined && owned.drains.size > 0 && owned.drains.has(key)
    const needsNothing = destination && isOurs && !draining && isAsWanted(context, wanted, destination)
    return needsNothing ? undefined : planDestination(context, destinationInput(input, wanted, key))
  })
  if (there === (actual?.size ?? 0) && ours === (owned?.destinations.size ?? 0)) return
  yield* portioned(allKeys(input), (key) =>
    desired.has(key) ? undefined : planDestination(context, destinationInput(input, undefined, key)),
  )
}

/** What `look` says of each item, portion by portion. */
function* portioned<T>(items: Iterable<T>, look: (item: T) => Step | undefined): Generator<Steps> {
  let steps: Step[] = []
  let looked = 0
  for (const item of items) {
    const step = look(item)
    if (step) steps.push(step)
    looked += 1
    if (looked % PORTION !== 0) continue
    yield steps
    steps = []
  }
  yield steps
}

function destinationInput(input: ServiceInput, desired: ReturnType<DesiredService['destinations']['get']>, key: DestinationKey) {
  const drain = input.owned?.drains.get(key)
  return {
    key,
    desired,
    actual: input.actual?.destination(key),
    owned: input.owned?.destinations.has(key) ?? false,
    drain,
    idle: drain !== undefined && input.idle(key),
    active: drain === undefined ? 0 : (input.actual?.reading(key)?.connections.active ?? 0),
    settled: input.previous !== undefined && input.previous.destinations.get(key) === desired && input.settled(key),
  }
}

function contextOf(input: ServiceInput, desired: DesiredService, after: VirtualService, asked: ChangeCause): DestinationContext {
  return {
    key: input.key,
    identity: desired.identity,
    name: desired.name,
    now: input.now,
    drainTimeout: desired.drainTimeout,
    mayRemove: desired.complete,
    adoptAll: desired.adopt === 'all',
    adoptAlso: desired.adoptAlso,
    refusesAtZero: refusesAtZero(after),
    leavesAtOnce: leavesAtOnce(after),
    cut: desired.cut,
    keepWeights: input.keepWeights,
    weightScale: desired.weightScale ?? 1,
    absence: 'no longer a member of the pool',
    asked,
  }
}

/** Every destination that is wanted, there, or ours. */
function* allKeys(input: ServiceInput): Generator<DestinationKey> {
  const { desired, actual, owned } = input
  if (desired) yield* desired.destinations.keys()
  for (const key of actual?.keys() ?? []) if (!desired?.destinations.has(key)) yield key
  for (const key of owned?.destinations ?? []) {
    if (!desired?.destinations.has(key) && actual?.destination(key) === undefined) yield key
  }
}

/** It is there, it is not ours, and it is not to become ours. */
function isSomebodyElses({ desired, actual, owned }: Pick<ServiceInput, 'desired' | 'actual' | 'owned'>): boolean {
  return desired?.adopt === 'never' && actual !== undefined && owned === undefined
}

/** No source has answered: such a service is neither made nor touched. */
function isNothingKnown(desired: DesiredService): boolean {
  return !desired.complete && desired.destinations.size === 0 && desired.cut === undefined
}

/** Whether the last pass worked towards the service with these very attributes. */
export function isAskedAlike(desired: DesiredService, previous: DesiredService | undefined): boolean {
  if (previous === undefined || isNothingKnown(previous)) return false
  if (desired === previous) return true
  return sameService(wantedService(desired, undefined), wantedService(previous, undefined))
}

function serviceTransition(input: ServiceInput, name: string, from: string, to: string, cause: ChangeCause): Transition {
  const reasons = to === 'absent' ? ['the configuration does not name the service any more'] : []
  return { service: input.key, name, from, to, cause, reasons }
}
