import { isDeepStrictEqual } from 'node:util'
import type { OperatorWords } from '../model/admin-state.ts'
import { ChunkedMap } from '../model/chunked-map.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import { SharedMap } from '../model/shared-map.ts'
import type { SourceEvent } from '../model/source-event.ts'
import type { SourceSpec } from '../model/source-spec.ts'
import { type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import { waitingSince } from './debounce.ts'
import { type KernelKnown, kernelHeld, NOTHING_OF_KERNEL } from './deciding/kernel-known.ts'
import type {
  DesiredUpdate,
  GuardChange,
  LastGoodChange,
  OperationalNews,
  Past,
  ProbeVerdict,
  SourceChange,
  WantedServices,
} from './desired-update.ts'
import { guardChanges } from './guard-changes.ts'
import { lastGoodChanges } from './last-good-changes.ts'
import {
  approved,
  type Beginning,
  changeSpec,
  heardOf,
  NO_BEGINNING,
  probed,
  type ServiceState,
  sourceSaid,
  startService,
  timePassed,
  underKernel,
} from './service.ts'
import { provenance } from './service-view.ts'
import { openSlot, type Slot } from './slot.ts'
import { sourceChanges } from './source-changes.ts'
import type { StepResult, Wake } from './step.ts'

export type PipelineEvent =
  | { readonly kind: 'wanted'; readonly wanted: WantedServices; readonly past?: Past }
  /** The operator lets go what the guard of a service holds. */
  | { readonly kind: 'approved'; readonly service: ServiceKey }
  /** Probes of members whose removal is held came to another verdict. */
  | ({ readonly kind: 'probed' } & ProbeVerdict)
  /** All that our probes know of the members of a service; who is not in it was not asked. */
  | ({ readonly kind: 'operational' } & OperationalNews)
  /** All that the operator has said of any backend. */
  | { readonly kind: 'operator'; readonly words: OperatorWords }
  /** What the decision must know of the kernel. */
  | { readonly kind: 'kernel'; readonly known: KernelKnown }
  | { readonly kind: 'said'; readonly service: ServiceKey; readonly slot: number; readonly event: SourceEvent }

/** A source that is to be open. */
export interface OpenSlot {
  readonly slot: Slot
  readonly key: ServiceKey
  readonly spec: ServiceSpec
}

export interface PipelineOutput {
  /** All sources that are to be open from now on; absent where that did not change. */
  readonly open?: readonly OpenSlot[]
  readonly sources: readonly SourceChange[]
  readonly guards: readonly GuardChange[]
  readonly lastGood: readonly LastGoodChange[]
  readonly update?: DesiredUpdate
}

export interface PipelineState {
  readonly services: ChunkedMap<ServiceKey, ServiceState>
  /** Of `services`, in the order of the configuration. */
  readonly keys: readonly ServiceKey[]
  /** Nothing is due before this; something may be due later only. */
  readonly wakeAt: number
  readonly ipvs: WantedServices['ipvs']
  readonly undecided: WantedServices['undecided']
  readonly nextSlot: number
  readonly words: OperatorWords
  readonly kernel: KernelKnown
  /** Absent until the first configuration. */
  readonly update: DesiredUpdate | undefined
}

const NEVER = Number.POSITIVE_INFINITY

export const NO_PIPELINE: PipelineState = {
  services: ChunkedMap.empty(),
  keys: [],
  wakeAt: NEVER,
  ipvs: undefined,
  undecided: undefined,
  nextSlot: 0,
  words: new Map(),
  kernel: NOTHING_OF_KERNEL,
  update: undefined,
}

/** A state and the services that may differ from the state before: work is proportional to these. */
interface Touched {
  readonly state: PipelineState
  readonly keys: readonly ServiceKey[]
  readonly eventAt: number
  /** A configuration did it. */
  readonly configures?: true
}

/** The whole way from configurations and sources to desired states, as one decision over time. */
export function pipelineStep(
  state: PipelineState,
  event: PipelineEvent | Wake,
  now: number,
): StepResult<PipelineState, PipelineOutput> {
  switch (event.kind) {
    case 'wanted': {
      const next = reconfigured(state, event, now)
      const keys = [...new Set([...state.keys, ...next.keys])]
      return answer(state, { state: next, keys, eventAt: now, configures: true }, now)
    }
    case 'said':
      return answer(
        state,
        touched(state, event.service, now, (service) => sourceSaid(service, event.slot, event.event, now)),
        now,
      )
    case 'approved':
      return answer(
        state,
        touched(state, event.service, now, (service) => approved(service, now)),
        now,
      )
    case 'probed':
      return answer(
        state,
        touched(state, event.service, now, (service) => probed(service, event.failing, now)),
        now,
      )
    case 'operational':
      return answer(
        state,
        touched(state, event.service, now, (service) => heardOf(service, { found: event.found }, now)),
        now,
      )
    case 'operator':
      return answer(state, spoken(state, event.words, now), now)
    case 'kernel':
      return answer(state, underKernelOf(state, event.known, now), now)
    case 'wake':
      return answer(state, later(state, now), now)
  }
}

/** Without a past nobody waits for it. */
const NO_PAST: Past = { lastGood: () => undefined, patience: 0 }

function reconfigured(state: PipelineState, event: PipelineEvent & { kind: 'wanted' }, now: number): PipelineState {
  const { wanted, past = NO_PAST } = event
  let { nextSlot } = state
  const open = (spec: ServiceSpec, source: SourceSpec) =>
    openSlot(nextSlot++, source, past.lastGood(spec, source), past.patience, now)
  const services = wanted.services.map((spec) => {
    const key = serviceKey(spec.identity)
    const known = state.services.get(key)
    const begin = () => startService(spec, open, now, beginningOf(state, key))
    return [key, known === undefined ? begin() : changeSpec(known, spec, open, now)] as const
  })
  const { ipvs, undecided } = wanted
  const keys = services.map(([key]) => key)
  return { ...state, services: ChunkedMap.from(services), keys, wakeAt: earliest(services), ipvs, undecided, nextSlot }
}

function touched(state: PipelineState, key: ServiceKey, now: number, change: (service: ServiceState) => ServiceState): Touched {
  const service = state.services.get(key)
  const after = service && change(service)
  if (after === undefined || after === service) return { state, keys: [], eventAt: now }
  const wakeAt = Math.min(state.wakeAt, after.dueAt)
  return { state: { ...state, services: state.services.with(key, after), wakeAt }, keys: [key], eventAt: now }
}

function beginningOf({ words, kernel }: PipelineState, key: ServiceKey): Beginning {
  const { expiresQuiescentTemplates } = kernel
  return { words: words.get(key) ?? NO_BEGINNING.words, kernel: kernelHeld(kernel, key), expiresQuiescentTemplates }
}

function spoken(state: PipelineState, words: OperatorWords, now: number): Touched {
  const keys = [...new Set([...state.words.keys(), ...words.keys()])].filter((key) => state.words.get(key) !== words.get(key))
  const heard = (next: PipelineState, key: ServiceKey) =>
    touched(next, key, now, (service) => heardOf(service, { words: words.get(key) ?? NO_BEGINNING.words }, now)).state
  return { state: keys.reduce(heard, { ...state, words }), keys, eventAt: now }
}

function underKernelOf(state: PipelineState, known: KernelKnown, now: number): Touched {
  const { keys } = state
  const under = (next: PipelineState, key: ServiceKey) =>
    touched(next, key, now, (service) => underKernel(service, known.expiresQuiescentTemplates, now)).state
  const isSet = known.expiresQuiescentTemplates === state.kernel.expiresQuiescentTemplates
  return { state: isSet ? { ...state, kernel: known } : keys.reduce(under, { ...state, kernel: known }), keys, eventAt: now }
}

/** The only step that looks at every service, and it is as rare as something is due. */
function later(state: PipelineState, now: number): Touched {
  const due: (readonly [ServiceKey, ServiceState])[] = []
  for (const [key, service] of state.services) if (now >= service.dueAt) due.push([key, service])
  const passed = due.map(([key, service]) => [key, timePassed(service, now)] as const)
  const services = state.services.edited(passed, [])
  const oldest = ({ debounced, hearing }: ServiceState) => Math.min(waitingSince(debounced) ?? now, hearing.waitingSince ?? now)
  const eventAt = Math.min(now, ...due.map(([, service]) => oldest(service)))
  return { state: { ...state, services, wakeAt: earliest(services) }, keys: due.map(([key]) => key), eventAt }
}

function answer(before: PipelineState, touched: Touched, now: number): StepResult<PipelineState, PipelineOutput> {
  const update = updated(before, touched)
  const state = { ...touched.state, update }
  const sources = sourceChanges(before.services, state.services, touched.keys)
  const guards = guardChanges(before.services, state.services, touched.keys)
  const lastGood = lastGoodChanges(before.services, state.services, touched.keys)
  const wakeAt = state.wakeAt === NEVER ? undefined : Math.max(state.wakeAt, now)
  const output: PipelineOutput = {
    sources,
    guards,
    lastGood,
    ...(otherSources(before, state, touched.keys) && { open: openSlots(state) }),
    ...(update !== undefined && update !== before.update && { update }),
  }
  const silent =
    output.update === undefined && output.open === undefined && sources.length + guards.length + lastGood.length === 0
  return { state, ...(!silent && { emit: output }), ...(wakeAt !== undefined && { wakeAt }) }
}

/** The update before when nothing in it changed. */
function updated(before: PipelineState, { state, keys, eventAt, configures }: Touched): DesiredUpdate | undefined {
  // Without a configuration nobody knows what is wanted: a state without services would take away all that is ours.
  if (before === state || (before.update === undefined && !configures)) return before.update
  const same =
    before.update !== undefined &&
    (before.ipvs === state.ipvs || isDeepStrictEqual(before.ipvs, state.ipvs)) &&
    isDeepStrictEqual(before.undecided, state.undecided) &&
    keys.every((key) => sameVerdict(before.services.get(key), state.services.get(key)))
  if (same) return before.update
  const last = before.update ?? NOTHING_WANTED
  const services = SharedMap.of(last.desired.services).edited(keys, (key) => state.services.get(key)?.decided.service)
  const standing = (key: ServiceKey) => {
    const service = state.services.get(key)
    const known = service === before.services.get(key) ? last.provenance.get(key) : undefined
    return known ?? (service && provenance(service))
  }
  const provenances = SharedMap.of(last.provenance).edited(keys, standing)
  const { ipvs, undecided } = state
  const desired = { services, ...ipvs, ...(undecided !== undefined && { undecided }) }
  return { desired, provenance: provenances, eventAt }
}

const NOTHING_WANTED: Pick<DesiredUpdate, 'desired' | 'provenance'> = {
  desired: { services: SharedMap.from([]) },
  provenance: SharedMap.from([]),
}

function sameVerdict(before: ServiceState | undefined, after: ServiceState | undefined): boolean {
  return (
    before === after ||
    (before?.decided.service === after?.decided.service &&
      before?.decided.leftOut === after?.decided.leftOut &&
      before?.guarded.held === after?.guarded.held &&
      before?.hearing.passed === after?.hearing.passed &&
      before?.pool.verdict === after?.pool.verdict &&
      before?.pool.quorum === after?.pool.quorum &&
      before?.pool.ejections === after?.pool.ejections &&
      before?.spec === after?.spec)
  )
}

/** Whether sources were added or taken away. */
function otherSources(before: PipelineState, after: PipelineState, keys: readonly ServiceKey[]): boolean {
  const numbers = (state: PipelineState, key: ServiceKey) =>
    state.services
      .get(key)
      ?.slots.map((slot) => slot.number)
      .join()
  return before.nextSlot !== after.nextSlot || keys.some((key) => numbers(before, key) !== numbers(after, key))
}

function openSlots(state: PipelineState): OpenSlot[] {
  return state.keys.flatMap((key) => {
    const service = state.services.get(key)
    return service?.slots.map((slot) => ({ slot, key, spec: service.spec })) ?? []
  })
}

function earliest(services: Iterable<readonly [ServiceKey, ServiceState]>): number {
  let next = NEVER
  for (const [, { dueAt }] of services) if (dueAt < next) next = dueAt
  return next
}
