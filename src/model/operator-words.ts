import type { AdminState, OperatorWords, WeightOverride } from './admin-state.ts'
import type { DestinationKey } from './destination.ts'
import type { ServiceKey } from './virtual-service.ts'

/** A backend of a service that the operator speaks of. */
export interface SpokenOf {
  readonly service: ServiceKey
  readonly backend: DestinationKey
}

/** A word that became another one; without `after` it was taken back or has run out. */
export interface Changed extends SpokenOf {
  readonly before?: AdminState
  readonly after?: AdminState
}

/** How long a word counts, and why it was said. */
export interface WordTerms {
  readonly reason?: string
  /** Milliseconds since the epoch; absent: until it is taken back. */
  readonly until?: number
}

/** What the operator may say. `ready` takes back a drain or a maintenance, `unset` takes back a weight. */
export type OperatorVerb =
  | { readonly verb: 'ready' | 'unset' }
  | ({ readonly verb: 'drain' | 'maintenance' } & WordTerms)
  | ({
      readonly verb: 'weight'
      /** 0–65535. */
      readonly weight: number
      /** Reached from another weight; `duration` in milliseconds, `steps` 1–1000. */
      readonly ramp?: { readonly from: number; readonly duration: number; readonly steps: number }
    } & WordTerms)

/** Milliseconds, ten years: what a clock adds to its time must still be a time. */
export const LONGEST_WHILE = 10 * 366 * 86_400_000

export const NO_WORDS: OperatorWords = new Map()

/** The words after one more; the same map where it says nothing new. The state and the weight of a backend are said apart. */
export function say(words: OperatorWords, about: SpokenOf, verb: OperatorVerb, now: number): OperatorWords {
  return sayAll(words, [about], () => verb, now)
}

/** The words after one more about each of many backends. */
export function sayAll(
  words: OperatorWords,
  about: Iterable<SpokenOf>,
  verbFor: (one: SpokenOf) => OperatorVerb,
  now: number,
): OperatorWords {
  return edited(words, about, (before, one) => afterVerb(before, verbFor(one), now))
}

/** The words without those that have run out by now; the same map where none has. */
export function expire(words: OperatorWords, now: number): OperatorWords {
  return edited(words, everySpokenOf(words), (word) => word && whatCounts(word, now))
}

/** Milliseconds since the epoch at which the next word runs out; undefined: none does. */
export function nextExpiry(words: OperatorWords): number | undefined {
  let next = Number.POSITIVE_INFINITY
  for (const backends of words.values()) {
    for (const { until, weight } of backends.values())
      next = Math.min(next, until ?? Number.POSITIVE_INFINITY, weight?.until ?? Number.POSITIVE_INFINITY)
  }
  return next === Number.POSITIVE_INFINITY ? undefined : next
}

/** The backends of which two collections of words say something else. */
export function* differing(before: OperatorWords, after: OperatorWords): Generator<Changed> {
  for (const [service, backends] of after) {
    const old = before.get(service)
    if (old === backends) continue
    for (const [backend, word] of backends) {
      const was = old?.get(backend)
      if (was !== word) yield { service, backend, ...(was !== undefined && { before: was }), after: word }
    }
  }
  for (const [service, backends] of before) {
    const now = after.get(service)
    if (now === backends) continue
    for (const [backend, word] of backends) if (!now?.has(backend)) yield { service, backend, before: word }
  }
}

/** Whether a word keeps new connections from its backend, now or at the end of its ramp. */
export function takesOut(word: AdminState | undefined): boolean {
  return word !== undefined && (word.state !== 'ready' || word.weight?.weight === 0)
}

function afterVerb(before: AdminState | undefined, verb: OperatorVerb, now: number): AdminState | undefined {
  switch (verb.verb) {
    case 'ready':
      return readyAgain(before)
    case 'unset':
      return withoutWeight(before)
    case 'drain':
    case 'maintenance': {
      const weight = before?.weight
      return { state: verb.verb, ...terms(verb), at: now, ...(weight !== undefined && { weight }) }
    }
    case 'weight': {
      const { weight, ramp } = verb
      const override: WeightOverride = {
        weight,
        ...(ramp !== undefined && { ramp: { ...ramp, startedAt: now } }),
        ...terms(verb),
        at: now,
      }
      return { ...(before ?? { state: 'ready', at: now }), weight: override }
    }
  }
}

function whatCounts(word: AdminState, now: number): AdminState | undefined {
  const stateRunsOut = word.state !== 'ready' && hasRunOut(word, now)
  const after = stateRunsOut ? readyAgain(word) : word
  return after?.weight !== undefined && hasRunOut(after.weight, now) ? withoutWeight(after) : after
}

function hasRunOut({ until }: WordTerms, now: number): boolean {
  return until !== undefined && until <= now
}

function readyAgain(word: AdminState | undefined): AdminState | undefined {
  if (word === undefined || word.state === 'ready') return word
  const { weight } = word
  return weight === undefined ? undefined : { state: 'ready', at: weight.at, weight }
}

function withoutWeight(word: AdminState | undefined): AdminState | undefined {
  if (word?.weight === undefined) return word
  const { weight: _, ...rest } = word
  return rest.state === 'ready' ? undefined : rest
}

function terms({ reason, until }: WordTerms): WordTerms {
  return { ...(reason !== undefined && { reason }), ...(until !== undefined && { until }) }
}

function* everySpokenOf(words: OperatorWords): Generator<SpokenOf> {
  for (const [service, backends] of words) for (const backend of backends.keys()) yield { service, backend }
}

/** One copy for each service whatever the number of its backends; services that stay as they are keep their maps. */
function edited(
  words: OperatorWords,
  about: Iterable<SpokenOf>,
  afterOf: (before: AdminState | undefined, one: SpokenOf) => AdminState | undefined,
): OperatorWords {
  const touched = new Map<ServiceKey, Map<DestinationKey, AdminState>>()
  for (const one of about) {
    const { service, backend } = one
    const before = (touched.get(service) ?? words.get(service))?.get(backend)
    const after = afterOf(before, one)
    if (after === before) continue
    const backends = touched.get(service) ?? new Map(words.get(service))
    touched.set(service, backends)
    if (after === undefined) backends.delete(backend)
    else backends.set(backend, after)
  }
  if (touched.size === 0) return words
  const next = new Map(words)
  for (const [service, backends] of touched) {
    if (backends.size === 0) next.delete(service)
    else next.set(service, backends)
  }
  return next
}
