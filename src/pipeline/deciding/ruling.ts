import type { Port } from '../../model/address.ts'
import type { DesiredDestination } from '../../model/desired-state.ts'
import type { DestinationKey } from '../../model/destination.ts'
import { MAXIMUM_WEIGHT } from '../../model/policy-spec.ts'

/** What is said of one member over what its source and service say; the last word is first in `reasons`. */
export interface Ruling {
  /** `zero` keeps its connections, `out` ends them. */
  readonly use: 'serve' | 'zero' | 'out'
  /** In place of the weight that its source and service give it. */
  readonly weight?: number
  /** Of its weight, above 0 and at most 100. */
  readonly percent?: number
  /** In place of all that: the very number that the kernel is to hold. */
  readonly exact?: number
  readonly reasons: readonly string[]
}

/**
 * Who answers the clients of a service: its members, members that are not up (panic), the sorry server, or nobody.
 */
export type PoolMode = 'normal' | 'panic' | 'sorry' | 'nobody'

/** What the policies make of one pool. */
export interface PoolVerdict {
  /** Only of members of which something is to be said. */
  readonly rulings: ReadonlyMap<DestinationKey, Ruling>
  /** The priority whose members are used; `listed`: by what the sources say alone. */
  readonly used: number | undefined | 'listed'
  readonly mode: PoolMode
  /** Stands in the table beside the members. */
  readonly sorry?: Sorry
}

export interface Sorry {
  readonly key: DestinationKey
  readonly address: DesiredDestination['address']
  readonly port: Port
}

/** Nothing is to be said. */
export const NO_VERDICT: PoolVerdict = { rulings: new Map(), used: 'listed', mode: 'normal' }

/** The verdict before where nothing differs, and each ruling of it that is still the same. */
export function sharedVerdict(before: PoolVerdict, verdict: PoolVerdict): PoolVerdict {
  const rulings = new Map<DestinationKey, Ruling>()
  let same = before.rulings.size === verdict.rulings.size
  for (const [key, ruling] of verdict.rulings) {
    const old = before.rulings.get(key)
    const kept = old !== undefined && sameRuling(old, ruling)
    rulings.set(key, kept ? old : ruling)
    same &&= kept
  }
  if (!same) return { ...verdict, rulings }
  const others = before.used === verdict.used && before.mode === verdict.mode && before.sorry?.key === verdict.sorry?.key
  return others ? before : { ...verdict, rulings: before.rulings }
}

function sameRuling(a: Ruling, b: Ruling): boolean {
  return (
    a.use === b.use && a.weight === b.weight && a.percent === b.percent && a.exact === b.exact && sameTexts(a.reasons, b.reasons)
  )
}

export function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index])
}

/** The highest weight that the kernel takes so many times. */
export function highestWeight(scale: number): number {
  return Math.floor(MAXIMUM_WEIGHT / scale)
}

/** The weight in the kernel of a member that serves: never 0, whatever its share, and a share of no more than the kernel takes. */
export function scaledWeight(weight: number, percent: number, scale: number): number {
  if (weight <= 0) return 0
  return Math.max(1, Math.round((Math.min(weight, highestWeight(scale)) * scale * percent) / 100))
}
