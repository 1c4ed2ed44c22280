import type { QuorumSpec } from '../../model/policy-spec.ts'

/** Whether enough of a pool serves, and since when that is so. */
export interface Quorum {
  readonly has: boolean
  /** Milliseconds since the epoch. */
  readonly since: number
  /** What is there, in the unit of the spec. */
  readonly measure: number
  readonly spec: QuorumSpec
}

/** A pool as the quorum counts it. Members that serve in panic alone, and the sorry server, do not count. */
export interface QuorumMeasure {
  readonly count: number
  /** Sum of the weights of those that count. */
  readonly weight: number
  readonly pool: number
  /** Every source has said who its members are. */
  readonly complete: boolean
}

/** The quorum of a pool; undefined where none is asked for, and while too few members are known because a source is yet to speak. */
export function quorumOf(
  before: Quorum | undefined,
  measured: QuorumMeasure,
  spec: QuorumSpec | undefined,
  now: number,
): Quorum | undefined {
  if (spec === undefined) return undefined
  const measure = measureIn(spec.by, measured)
  const has = judge(before?.has, measure, spec)
  if (before === undefined && !has && !measured.complete) return undefined
  if (before?.has === has && before.measure === measure && before.spec === spec) return before
  return { has, since: before?.has === has ? before.since : now, measure, spec }
}

function measureIn(by: QuorumSpec['by'], { count, weight, pool }: QuorumMeasure): number {
  if (by === 'count') return count
  if (by === 'weight') return weight
  return pool === 0 ? 0 : (100 * count) / pool
}

function judge(had: boolean | undefined, measure: number, { min, hysteresis }: QuorumSpec): boolean {
  if (had === undefined) return measure >= min
  return had ? measure >= min - hysteresis : measure >= min + hysteresis
}
