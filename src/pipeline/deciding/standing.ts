import type { DestinationKey } from '../../model/destination.ts'
import { isFoundDown } from '../../model/operational.ts'
import type { Candidate } from './candidate.ts'
import { continuedWeight, type FirstWeight, firstWeight } from './first-weight.ts'
import type { KernelHeld } from './kernel-known.ts'
import type { Memory } from './memory.ts'

/**
 * How a member that may serve stands: `held` by the guard against correlated failures, `doubted` by it, `spared` by it: its wish to be let go is held; `last`: so is that of one beside whom nobody else can serve; `damped` because it fell too often,
 * `presumed` up because it served when the service was taken up, or before it was asked otherwise, `new`: nothing is known of it.
 */
export type Standing = 'up' | 'held' | 'doubted' | 'spared' | 'last' | 'presumed' | 'damped' | 'down' | 'new'

/** A member that may serve, and how it stands. */
export interface Contender {
  readonly candidate: Candidate
  readonly memory: Memory | undefined
  readonly standing: Standing
  readonly first?: FirstWeight
}

export interface Circumstances {
  readonly held: ReadonlySet<DestinationKey>
  readonly spared: ReadonlySet<DestinationKey>
  /** Those are spared because nobody else can serve. */
  readonly isLast: boolean
  readonly doubted: ReadonlyMap<DestinationKey, number>
  readonly damped: { readonly size: number; has(key: DestinationKey): boolean }
  readonly kernel: KernelHeld
  /** Whether the member comes from an answer of an earlier process alone. */
  readonly unproven: (candidate: Candidate) => boolean
  /** Whether that answer is too old to be believed unseen. */
  readonly outdated: (candidate: Candidate) => boolean
  /** Milliseconds for which a first result is waited for. */
  readonly patience: number
  readonly now: number
}

/** How those who may serve stand. Who is new is judged last: it matters to him whether others are up. */
export function contendersOf(
  candidates: readonly Candidate[],
  memories: ReadonlyMap<DestinationKey, Memory>,
  circumstances: Circumstances,
): Contender[] {
  const { kernel, unproven, outdated, patience, now } = circumstances
  const contenders = candidates.map((candidate): Contender => {
    const memory = memories.get(candidate.key)
    return { candidate, memory, standing: standingOf(candidate, memory, circumstances) }
  })
  if (!contenders.some(({ standing }) => standing === 'new' || standing === 'presumed')) return contenders
  const othersUp = contenders.some(isThoughtUp)
  return contenders.map((contender) => {
    const { candidate, memory, standing } = contender
    if (standing !== 'new' && standing !== 'presumed') return contender
    const kernelWeight = kernel.weights.get(candidate.key)
    const doubt = outdated(candidate) ? 'lasting' : kernel.absent && unproven(candidate) ? 'passing' : undefined
    const first = firstWeight(memory?.first, { kernelWeight, othersUp, doubt, patience, now })
    return { ...contender, first }
  })
}

/** Whether a member serves as one that is up, whatever its past. */
function isThoughtUp({ standing }: Pick<Contender, 'standing'>): boolean {
  return standing !== 'down' && standing !== 'new' && standing !== 'damped'
}

/** Whether a member serves by itself that does not flap and of which no failure is held. */
export function isSteady({ standing }: Contender): boolean {
  return standing === 'up' || standing === 'spared' || standing === 'last' || standing === 'presumed'
}

/** Whether a member counts as up: one that is damped does by its health. */
export function isUp({ standing, candidate }: Contender): boolean {
  return standing === 'damped' ? candidate.health === 'up' : standing !== 'down' && standing !== 'new'
}

/** What the kernel goes on to hold for a member of which nothing is found yet, as long as that is waited for. */
export function carriedWeight({ first }: Contender, weightNow: number, patience: number, now: number): number | undefined {
  if (first?.kind !== 'kernel' || first.since + patience <= now) return undefined
  return continuedWeight(first.weight, weightNow)
}

/** Whether probes have made its health; else it is what it begins as. One that begins as down has no failure. */
function isFound({ health, found }: Candidate): boolean {
  return health === 'up' || (found !== undefined && isFoundDown(found))
}

function standingOf(
  candidate: Candidate,
  memory: Memory | undefined,
  { held, spared, isLast, doubted, damped, kernel }: Circumstances,
): Standing {
  const { key, health } = candidate
  if (!isFound(candidate)) {
    const first = memory?.first
    const carried =
      first === undefined || first.kind === 'wait' ? kernel.weights.get(key) : first.kind === 'kernel' ? first.weight : 0
    const wasUp = memory?.upUntil === Number.POSITIVE_INFINITY
    if (wasUp || (carried !== undefined && carried > 0)) return 'presumed'
  }
  if (health === 'unknown') return 'new'
  if (held.size > 0 && held.has(key)) return 'held'
  if (doubted.size > 0 && doubted.has(key)) return 'doubted'
  if (damped.size > 0 && damped.has(key)) return 'damped'
  if (health !== 'up' || spared.size === 0 || !spared.has(key)) return health
  return isLast ? 'last' : 'spared'
}
