import type { ChangeCause } from '../../model/change.ts'
import type { DesiredDestination, DesiredService } from '../../model/desired-state.ts'
import type { Destination, DestinationKey } from '../../model/destination.ts'
import type { ServiceIdentity, ServiceKey } from '../../model/virtual-service.ts'
import type { Drain } from '../../store/ownership.ts'
import { alikeForwarding, destinationText, sameDestination, wantedDestination } from './attributes.ts'
import { isCredible, newDrain } from './drain.ts'
import type { DestinationChange, DestinationStep, ForeignStep } from './step.ts'
import type { Transition } from './transition.ts'

/** What holds for every destination of one service in one pass. */
export interface DestinationContext {
  readonly key: ServiceKey
  readonly identity: ServiceIdentity
  readonly name: string
  readonly now: number
  /** Milliseconds. */
  readonly drainTimeout: number
  /** Whether a destination that nobody names may go: not while a source has not answered. */
  readonly mayRemove: boolean
  readonly adoptAll: boolean
  /** As of DesiredService. */
  readonly adoptAlso?: ReadonlySet<DestinationKey> | undefined
  readonly refusesAtZero: boolean
  readonly leavesAtOnce: boolean
  /** Destinations that are known and must not be there: they do not drain, and no other source's answer is waited for. */
  readonly cut: DesiredService['cut']
  readonly keepWeights: boolean
  /** As of DesiredService; people are told of weights without it. */
  readonly weightScale: number
  /** Why a destination that is not named has to go. */
  readonly absence: string
  /** The cause of a difference that somebody asked for. */
  readonly asked: ChangeCause
}

export interface DestinationInput {
  readonly key: DestinationKey
  readonly desired: DesiredDestination | undefined
  readonly actual: Destination | undefined
  readonly owned: boolean
  readonly drain: Drain | undefined
  /** No active connection on two reads in a row. */
  readonly idle: boolean
  /** Active connections on the last read of one that drains. */
  readonly active: number
  /** The last pass left it as it is desired now, so a difference is somebody else's doing. */
  readonly settled: boolean
}

const HAND = 'changed by another program; to keep another weight set it in the configuration or the source'
const HAND_COMMAND = `${HAND}, or for a while by \`pointsman weight\``

/** What to do about one destination; undefined when it is as it should be. A pure function of its arguments. */
export function planDestination(context: DestinationContext, input: DestinationInput): DestinationStep | ForeignStep | undefined {
  const { desired, actual } = input
  if (desired) return planNamed(context, input, desired)
  if (!actual) return input.owned ? { kind: 'destination', key: input.key, forget: true } : undefined
  const why = context.cut?.get(input.key)
  if (why !== undefined) return deletion(context, input, actual, input.owned ? context.asked : 'adoption', why)
  const isAdopted = context.adoptAll || context.adoptAlso?.has(input.key) === true
  if (!input.owned && !(isAdopted && context.mayRemove)) return { kind: 'foreign', key: input.key, destination: actual }
  return context.mayRemove ? planLeaving(context, input, actual) : undefined
}

/** Whether a named destination of ours that does not drain needs nothing: what a resync asks of every one, so it makes nothing. */
export function isAsWanted(context: DestinationContext, desired: DesiredDestination, actual: Destination): boolean {
  return (
    (desired.weight === actual.weight || context.keepWeights) &&
    (desired.weight !== 0 || !context.refusesAtZero || context.keepWeights) &&
    (desired.upperThreshold ?? actual.upperThreshold) === actual.upperThreshold &&
    (desired.lowerThreshold ?? actual.lowerThreshold) === actual.lowerThreshold &&
    alikeForwarding(desired.forwarding, actual.forwarding)
  )
}

function planNamed(
  context: DestinationContext,
  input: DestinationInput,
  desired: DesiredDestination,
): DestinationStep | undefined {
  const { actual, drain } = input
  const keeps = context.keepWeights && actual !== undefined && drain === undefined
  const weight = keeps ? actual.weight : desired.weight
  if (weight === 0 && context.refusesAtZero && !keeps) return planRefusing(context, input, desired)
  const wanted = wantedDestination(desired, weight, actual)
  const record = recordParts(input)
  if (!actual) {
    const common = { service: context.identity, name: context.name, reasons: desired.reasons }
    const change = { ...common, kind: 'add-destination' as const, cause: input.settled ? 'drift' : context.asked, after: wanted }
    return step(context, input, { ...record, change }, 'absent', textOf(context, wanted))
  }
  const cause = !input.owned ? 'adoption' : input.settled && !drain ? 'drift' : context.asked
  const from = fromText(context, input, actual)
  if (sameDestination(wanted, actual)) {
    if (input.owned && !drain) return undefined
    return step(context, input, record, from, textOf(context, wanted), cause, desired.reasons)
  }
  const reasons = cause === 'drift' && actual.weight !== wanted.weight ? [HAND_COMMAND, ...desired.reasons] : desired.reasons
  const change = { ...common(context, cause), kind: 'edit-destination' as const, before: actual, after: wanted, reasons }
  const all = !sameDestination({ ...wanted, weight: actual.weight }, actual)
  const before = all && input.owned && !drain ? textOf(context, actual, true) : from
  return step(context, input, { ...record, change }, before, textOf(context, wanted, all))
}

/** A desired weight of 0 where the scheduler would turn clients away: the destination must not be there. */
function planRefusing(
  context: DestinationContext,
  input: DestinationInput,
  desired: DesiredDestination,
): DestinationStep | undefined {
  const { actual } = input
  if (!actual) return input.owned ? { kind: 'destination', key: input.key, forget: true } : undefined
  const reasons = ['weight 0 would refuse its share of clients under this scheduler', ...desired.reasons]
  return deletion(context, input, actual, input.settled ? 'drift' : context.asked, reasons)
}

function planLeaving(context: DestinationContext, input: DestinationInput, actual: Destination): DestinationStep | undefined {
  const cause = input.owned ? 'drain' : 'adoption'
  if (context.leavesAtOnce) return deletion(context, input, actual, cause, ['nothing to drain', context.absence])
  if (context.drainTimeout <= 0) return deletion(context, input, actual, cause, ['no time to drain', context.absence])
  const known = input.drain && isCredible(input.drain, context.now) ? input.drain : undefined
  if (known && input.idle) {
    const gone = deletion(context, input, actual, cause, ['no active connection on two reads', context.absence])
    return drained(gone, { how: 'idle', connections: 0 })
  }
  if (known && context.now >= known.deadline) {
    const gone = deletion(context, input, actual, cause, ['the drain deadline has passed', context.absence])
    return drained(gone, { how: 'deadline', connections: input.active })
  }
  const record = known
    ? {}
    : { drain: newDrain(context.now, context.drainTimeout), ...(input.owned ? {} : { own: true as const }) }
  if (actual.weight === 0) {
    if (known) return undefined
    return step(context, input, record, fromText(context, input, actual), 'draining', cause, [context.absence])
  }
  const zeroed = known && input.settled ? 'drift' : cause
  const change = {
    ...common(context, zeroed),
    kind: 'edit-destination' as const,
    before: actual,
    after: { ...actual, weight: 0 },
    reasons: zeroed === 'drift' ? [HAND, context.absence] : [context.absence],
  }
  return step(context, input, { ...record, change }, input.owned ? textOf(context, actual) : 'foreign', 'draining')
}

function deletion(
  context: DestinationContext,
  input: DestinationInput,
  actual: Destination,
  cause: ChangeCause,
  reasons: readonly string[],
): DestinationStep {
  const change = { ...common(context, cause), kind: 'delete-destination' as const, before: actual, reasons }
  const record = { ...(input.owned ? {} : { own: true as const }), forget: true as const }
  return step(context, input, { ...record, change }, fromText(context, input, actual), 'absent')
}

function drained(step: DestinationStep, how: NonNullable<Transition['drained']>): DestinationStep {
  return step.transition === undefined ? step : { ...step, transition: { ...step.transition, drained: how } }
}

function common(context: DestinationContext, cause: ChangeCause) {
  return { cause, service: context.identity, name: context.name }
}

function fromText(context: DestinationContext, input: DestinationInput, actual: Destination): string {
  if (!input.owned) return 'foreign'
  return input.drain ? 'draining' : textOf(context, actual)
}

function textOf({ weightScale }: DestinationContext, destination: Destination, all = false): string {
  return destinationText(destination, all, weightScale)
}

/** What the record has to learn of a named destination. Spreading into an object is slow where 10,000 are made. */
const RECORD_PARTS = {
  nothing: {},
  own: { own: true },
  undrain: { undrain: true },
  both: { own: true, undrain: true },
} as const

function recordParts({ owned, drain }: DestinationInput): StepParts {
  if (owned) return drain ? RECORD_PARTS.undrain : RECORD_PARTS.nothing
  return drain ? RECORD_PARTS.both : RECORD_PARTS.own
}

type StepParts = Omit<DestinationStep, 'kind' | 'key' | 'transition'>

function step(
  context: DestinationContext,
  input: DestinationInput,
  parts: StepParts,
  from: string,
  to: string,
  cause: ChangeCause = parts.change?.cause ?? context.asked,
  reasons: readonly string[] = reasonsOf(parts.change),
): DestinationStep {
  const transition: Transition = { service: context.key, name: context.name, destination: input.key, from, to, cause, reasons }
  return { ...parts, kind: 'destination', key: input.key, transition }
}

function reasonsOf(change: DestinationChange | undefined): readonly string[] {
  return change?.reasons ?? []
}
