import type { Announced } from '../../model/desired-state.ts'
import type { DestinationKey } from '../../model/destination.ts'
import { destinationKey } from '../../model/destination.ts'
import type { PolicySpec } from '../../model/policy-spec.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import { waitingReason } from '../tiers.ts'
import { announcementEndsAt, isAnnounced } from './announcement.ts'
import { type Candidate, candidateOf, sparedOf } from './candidate.ts'
import { dampedOf } from './damping.ts'
import { approveEjections, type Ejections, ejections, ejectionsDueAt, NO_EJECTIONS } from './ejection.ts'
import { exposedOf, hasRisen, isResting } from './exposed.ts'
import { patienceOf, waitsUntil } from './first-weight.ts'
import type { Heard } from './hearing.ts'
import { type Part, rulingOf, servesAs } from './judge.ts'
import { type KernelHeld, usedUp } from './kernel-known.ts'
import { type Memories, remembered } from './memory.ts'
import { areTooFew, panicSince, servedInPanic } from './panic.ts'
import type { PoolInput } from './pool-input.ts'
import { type Quorum, quorumOf } from './quorum.ts'
import { NO_VERDICT, type PoolMode, type PoolVerdict, type Ruling, type Sorry, sharedVerdict } from './ruling.ts'
import { nextShareAt, slowStartOf } from './slow-start.ts'
import { type Contender, contendersOf, isSteady, isUp } from './standing.ts'

/** What the policies remember of one pool. */
export interface Pool {
  readonly memories: Memories
  readonly ejections: Ejections
  /** Milliseconds since the epoch; absent: the pool is not in panic. */
  readonly panicSince?: number
  /** Milliseconds since the epoch; absent: no member serves. */
  readonly servingSince?: number
  /** Absent where none is asked for. */
  readonly quorum?: Quorum
  /** Whether the address of the service is to be there; absent: it does not hang on the quorum. */
  readonly announced?: Announced
  readonly kernel: KernelHeld
  readonly verdict: PoolVerdict
  /** Milliseconds since the epoch at which time itself changes something here; infinite: never. */
  readonly dueAt: number
  /** What it was judged from; absent: it is to be judged anew. */
  readonly input?: PoolInput
}

const NEVER = Number.POSITIVE_INFINITY

const NOBODY: ReadonlySet<DestinationKey> = new Set()

const NOBODY_DAMPED: ReadonlyMap<DestinationKey, number> = new Map()

/** Milliseconds for which a pool that begins to serve is cold as a whole: nobody in it can take the load of the others. */
const COLD = 60_000

/** A pool of which nothing is known but what the kernel held of it. */
export function newPool(kernel: KernelHeld): Pool {
  return { memories: new Map(), ejections: NO_EJECTIONS, kernel, verdict: NO_VERDICT, dueAt: NEVER }
}

/** The pool once the operator has approved of the failures that are held in it. */
export function approvedPool({ input: _, ...pool }: Pool): Pool {
  const asking = [...pool.memories].filter(([, { leaving }]) => leaving !== undefined).map(([key]) => key)
  return { ...pool, ejections: approveEjections(pool.ejections, asking) }
}

/** The pool before its members are asked for the first time: those that serve unasked were up, so that they are missed. */
export function servedUnasked(before: Pool, serving: Iterable<DestinationKey>): Pool {
  if (before.memories.size > 0) return before
  return { ...before, memories: new Map([...serving].map((key) => [key, { served: true, upUntil: NEVER }])) }
}

/**
 * The pool after a look at all that is known of it: administrative, discovered and operational state, and what was before. The same
 * is looked at again only when time changes something: most answers of a source say what the last one said, and a look at a large
 * pool costs milliseconds.
 */
export function judgePool(before: Pool, input: PoolInput, now: number): Pool {
  if (before.input !== undefined && now < before.dueAt && sameInput(before.input, input)) return before
  const { spec, members, heard, flaps, unproven, outdated, complete } = input
  if (!hasPolicies(spec, heard)) {
    const kernel = usedUp(before.kernel, complete)
    return before.verdict === NO_VERDICT && before.memories.size === 0 && before.kernel === kernel ? before : newPool(kernel)
  }
  const asking = [...members].map(([key, member]) => candidateOf(input, key, member, now))
  const counted = asking.filter(({ barred, asks }) => barred === undefined || asks)
  const damped = spec.policy.damping === 'off' ? NOBODY_DAMPED : dampedOf(flaps, now)
  const exposed = counted.flatMap((one) => exposedOf(one, before, damped, now))
  const held = ejections(before.ejections, exposed, counted.length, spec.policy.maxEjection, spec.checks, now)
  const { held: spared, isLast = false } = held.wishes
  const candidates =
    spared.size === 0 ? asking : asking.map((one) => (one.asks && spared.has(one.key) ? sparedOf(one, spec) : one))
  const open = candidates.filter(({ barred }) => barred === undefined)
  const contenders = contendersOf(open, before.memories, {
    held: held.failures.held,
    spared,
    isLast,
    doubted: held.doubted,
    damped,
    kernel: before.kernel,
    unproven: ({ member }) => unproven.has(member.origin),
    outdated: ({ member }) => outdated.has(member.origin),
    patience: patienceOf(spec.checks),
    now,
  })
  const strength = strengthOf(contenders)
  const panic = panicOf(before, contenders, strength, spec.policy, now)
  const parts = partsOf(contenders, panic, strength, spec.policy)
  const used = panic === undefined ? lowestPriority(parts) : undefined
  const serving = parts.filter(
    ({ as, contender }) => as !== undefined && waitingReason(contender.candidate.member, used) === undefined,
  )
  const ramps = rampsOf(serving, before, panic !== undefined, spec, now)
  const rulings = rulingsOf(candidates, parts, ramps, input, now)
  const sorry = serving.length === 0 && (complete || members.size > 0) ? sorryOf(spec) : undefined
  const mode: PoolMode =
    sorry !== undefined ? 'sorry' : serving.length === 0 ? 'nobody' : panic === undefined ? 'normal' : 'panic'
  const quorum = quorumOf(before.quorum, { ...measured(serving, open.length), complete }, spec.policy.quorum, now)
  const memories = remembered(before.memories, { candidates, contenders, serving, ramps }, now)
  const rests = (of: Memories, key: DestinationKey) => isResting(of.get(key))
  const isRestAnother = [...damped.keys()].some((key) => rests(before.memories, key) !== rests(memories, key))
  const announced = isAnnounced(before.announced, { quorum, foundUp: contenders.some(isFoundUp) }, spec.virtualAddress, now)
  return {
    input,
    memories,
    ejections: held,
    ...(panic !== undefined && { panicSince: panic }),
    ...(quorum !== undefined && { quorum }),
    ...(announced !== undefined && { announced }),
    kernel: usedUp(before.kernel, complete),
    verdict: sharedVerdict(before.verdict, { rulings, used, mode, ...(sorry !== undefined && { sorry }) }),
    ...(serving.length > 0 && { servingSince: before.servingSince ?? now }),
    dueAt: Math.min(
      dueAt(candidates, damped, ramps, spec, now),
      firstResultsDueAt(contenders, spec, now),
      isLast && hasRisen(exposed, new Set(serving.map(({ contender }) => contender.candidate.key))) ? now : NEVER,
      // What the guard sees of it is another thing then.
      isRestAnother ? now : NEVER,
      ejectionsDueAt(held, spec.checks),
      announcementEndsAt(announced, quorum, spec.virtualAddress),
    ),
  }
}

function sameInput(a: PoolInput, b: PoolInput): boolean {
  return (
    a.spec === b.spec &&
    a.members === b.members &&
    a.heard === b.heard &&
    a.flaps === b.flaps &&
    a.unproven === b.unproven &&
    a.outdated === b.outdated &&
    a.complete === b.complete &&
    a.expiresQuiescentTemplates === b.expiresQuiescentTemplates
  )
}

/** Whether anything besides the sources has a say in the service. */
function hasPolicies(spec: ServiceSpec, { words }: Heard): boolean {
  const { checks, policy } = spec
  if (checks.length > 0 || words.size > 0) return true
  return policy.sorryServer !== undefined || policy.quorum !== undefined || slowStartOf(spec) !== undefined
}

function rulingsOf(
  candidates: readonly Candidate[],
  parts: readonly Part[],
  ramps: ReadonlyMap<DestinationKey, number>,
  input: PoolInput,
  now: number,
): PoolVerdict['rulings'] {
  const rulings = new Map<DestinationKey, Ruling>()
  for (const { key, barred } of candidates) if (barred?.ruling !== undefined) rulings.set(key, barred.ruling)
  for (const part of parts) {
    const { key } = part.contender.candidate
    const ruling = rulingOf(part, ramps.get(key), input, now)
    if (ruling !== undefined) rulings.set(key, ruling)
  }
  return rulings
}

function panicOf(
  before: Pool,
  contenders: readonly Contender[],
  strength: Strength,
  policy: PolicySpec,
  now: number,
): number | undefined {
  const everUp = contenders.filter((one) => isUp(one) || one.memory?.upUntil !== undefined).length
  const measure = { ...strength, everUp, hasSorryServer: policy.sorryServer !== undefined }
  return panicSince(before.panicSince, measure, policy.panic, now)
}

type Strength = ReturnType<typeof strengthOf>

/** How many are up of those of which something is known. */
function strengthOf(contenders: readonly Contender[]) {
  const pool = contenders.filter(({ standing }) => standing !== 'new').length
  return { pool, up: contenders.filter(isUp).length }
}

/** Who serves, and as what. Damped members do where nobody else is up; a failure that is held makes nobody up. */
function partsOf(contenders: readonly Contender[], panic: number | undefined, strength: Strength, policy: PolicySpec): Part[] {
  const steady = contenders.some(isSteady)
  const rescued = panic === undefined ? NOBODY : rescuedIn(contenders, panic, strength, policy)
  return contenders.map((contender) => ({
    contender,
    as: servesAs(contender, { rescued: rescued.has(contender.candidate.key), steady: steady && panic === undefined }),
  }))
}

function rescuedIn(
  contenders: readonly Contender[],
  panic: number,
  strength: Strength,
  policy: PolicySpec,
): ReadonlySet<DestinationKey> {
  const fallen = contenders
    .filter((one) => !isUp(one))
    .map((one) => ({ one, upUntil: one.memory?.upUntil === NEVER ? panic : one.memory?.upUntil }))
  return new Set(servedInPanic(fallen, panic, areTooFew(strength, policy.panic)).map(({ one }) => one.candidate.key))
}

/** The lowest number with a member that serves; undefined where none has a priority. */
function lowestPriority(parts: readonly Part[]): number | undefined {
  let lowest: number | undefined
  for (const { as, contender } of parts) {
    const { priority } = contender.candidate.member.backend
    if (as !== undefined && priority !== undefined && (lowest === undefined || priority < lowest)) lowest = priority
  }
  return lowest
}

/** The slow starts that are under way: of members that begin beside others that have served for a while. */
function rampsOf(
  serving: readonly Part[],
  { servingSince = NEVER, kernel }: Pool,
  inPanic: boolean,
  spec: ServiceSpec,
  now: number,
): ReadonlyMap<DestinationKey, number> {
  const duration = slowStartOf(spec)
  const ramps = new Map<DestinationKey, number>()
  if (duration === undefined || inPanic) return ramps
  const isWarm = now >= servingSince + Math.min(duration, COLD)
  for (const { contender } of serving) {
    const { candidate, memory, first } = contender
    const isCarried = first?.kind === 'kernel' || (kernel.weights.get(candidate.key) ?? 0) > 0
    const begins = memory?.served !== true && isWarm && !isCarried
    const since = begins ? now : memory?.rampSince
    if (since !== undefined && candidate.word?.weight === undefined && now < since + duration) ramps.set(candidate.key, since)
  }
  return ramps
}

function measured(serving: readonly Part[], pool: number) {
  const counted = serving.filter(({ as }) => as === 'itself')
  return { count: counted.length, weight: counted.reduce((sum, part) => sum + part.contender.candidate.weight, 0), pool }
}

function isFoundUp({ candidate }: Contender): boolean {
  return candidate.health === 'up'
}

function sorryOf({ policy: { sorryServer } }: ServiceSpec): Sorry | undefined {
  return sorryServer && { key: destinationKey(sorryServer), ...sorryServer }
}

function dueAt(
  candidates: readonly Candidate[],
  damped: ReadonlyMap<DestinationKey, number>,
  ramps: ReadonlyMap<DestinationKey, number>,
  spec: ServiceSpec,
  now: number,
): number {
  let due = NEVER
  for (const { word } of candidates) if (word !== undefined) due = Math.min(due, word.changesAt)
  for (const quietAt of damped.values()) due = Math.min(due, quietAt)
  const duration = slowStartOf(spec) ?? 0
  for (const since of ramps.values()) due = Math.min(due, nextShareAt(since, duration, now))
  return due
}

function firstResultsDueAt(contenders: readonly Contender[], { checks }: ServiceSpec, now: number): number {
  let due = NEVER
  const patience = patienceOf(checks)
  for (const { first } of contenders) if (first !== undefined) due = Math.min(due, waitsUntil(first, patience, now))
  return due
}
