import { askedPercent, downReason, weightReasons } from './candidate.ts'
import { HELD_BECAUSE } from './ejection.ts'
import { patienceOf } from './first-weight.ts'
import { onDown, onDrain } from './on-down.ts'
import type { PoolInput } from './pool-input.ts'
import { type Ruling, scaledWeight } from './ruling.ts'
import { shareAt, slowStartOf, weightScale } from './slow-start.ts'
import { type Contender, carriedWeight } from './standing.ts'

/** As what a member serves: `itself`, because it is up or nobody knows better; or because nobody else is left. */
export type ServesAs = 'itself' | 'last resort'

/** A member that may serve, and as what it does; undefined: it does not. */
export interface Part {
  readonly contender: Contender
  readonly as: ServesAs | undefined
}

export interface Pressure {
  /** The panic chose it. */
  readonly rescued: boolean
  /** Others are up that do not flap. */
  readonly steady: boolean
}

/** Whether a member serves, and as what. */
export function servesAs({ standing, candidate, first }: Contender, { rescued, steady }: Pressure): ServesAs | undefined {
  if (rescued) return 'last resort'
  switch (standing) {
    case 'up':
    case 'held':
    case 'doubted':
    case 'spared':
    case 'last':
    case 'presumed':
      return 'itself'
    case 'damped':
      return candidate.health === 'up' && !steady ? 'itself' : undefined
    case 'new':
      return first?.kind === 'full' ? 'itself' : undefined
    case 'down':
      return undefined
  }
}

/** What is said of a member that may serve; undefined where that is nothing. `rampSince`: when its slow start began. */
export function rulingOf(part: Part, rampSince: number | undefined, input: PoolInput, now: number): Ruling | undefined {
  return part.as === undefined ? rest(part.contender, input) : service(part, rampSince, input, now)
}

function service({ contender, as }: Part, rampSince: number | undefined, { spec }: PoolInput, now: number): Ruling | undefined {
  const { candidate, standing } = contender
  const isPlain = standing === 'up' && as === 'itself' && rampSince === undefined
  if (isPlain && candidate.word === undefined && candidate.found?.report === undefined) return undefined
  const share = rampSince === undefined ? 100 : shareAt(rampSince, slowStartOf(spec) ?? 0, now)
  const percent = (askedPercent(candidate) * share) / 100
  const said = weightReasons(candidate)
  const weightNow = scaledWeight(candidate.weight, percent, weightScale(spec))
  const isCarried = as === 'itself' && mayHoldShares(spec)
  const carried = isCarried ? carriedWeight(contender, weightNow, patienceOf(spec.checks), now) : undefined
  const reasons = [
    ...(share === 100 ? [] : [`slow start: ${share}% of its weight`]),
    ...(as === 'last resort' ? ['panic: too few are up, so it serves as it did before'] : []),
    ...standingReasons(contender),
    ...said,
  ]
  if (reasons.length === 0) return undefined
  return {
    use: 'serve',
    ...(said.length > 0 && { weight: candidate.weight }),
    ...(percent !== 100 && { percent }),
    ...(carried !== undefined && { exact: carried }),
    reasons,
  }
}

/** Whether the kernel may hold a part of a member's weight: by slow start, or because the member asks for it. */
function mayHoldShares(spec: PoolInput['spec']): boolean {
  const asks = spec.checks.some(({ probe }) => probe.kind === 'agent' || (probe.kind === 'exec' && probe.dynamic))
  return asks || slowStartOf(spec) !== undefined
}

/** What becomes of a member that does not serve: one that nobody has seen at work is at weight 0 where that takes no client, one that is down loses what it has. */
function rest(contender: Contender, { spec, expiresQuiescentTemplates }: PoolInput): Ruling {
  const reasons = standingReasons(contender)
  const { standing, first } = contender
  if (standing === 'new' && first?.kind === 'kernel') return { use: 'zero', reasons }
  const { use, why } = standing === 'new' ? onDrain(spec) : onDown(spec, expiresQuiescentTemplates)
  return { use, reasons: why === undefined ? reasons : [why, ...reasons] }
}

function standingReasons({ standing, candidate, first }: Contender): string[] {
  const down = downReason(candidate.found)
  switch (standing) {
    case 'up':
      return []
    case 'down':
      return [down]
    case 'held':
      return [HELD_BECAUSE.failure, down]
    case 'spared':
      return [HELD_BECAUSE.wish]
    case 'last':
      return [HELD_BECAUSE.last]
    case 'doubted':
      return ['failure not believed yet: more of the pool may fail alike', down]
    // Not its health of the moment: it changes all the time, and nothing follows from that.
    case 'damped':
      return ['damped: it fell too often within a short time']
    case 'presumed':
      return [asFarAsKnown('nothing found by probes yet: it served before', candidate)]
    case 'new':
      return [asFarAsKnown(newReason(first), candidate)]
  }
}

/** With why probes tell nothing, where they were tried. */
function asFarAsKnown(reason: string, { found }: Contender['candidate']): string {
  return found?.message === undefined || found.failure !== undefined ? reason : `${reason} (${found.message})`
}

function newReason(first: Contender['first']): string {
  if (first?.kind === 'full') return 'nothing found by probes yet, and no better backend is known'
  if (first?.kind === 'kernel') return 'not probed yet: as the kernel held it'
  return first?.for === 'proof'
    ? 'known from before the start alone: waits for its first success'
    : 'not probed yet: waits for its first success while others are up'
}
