import { isDeepStrictEqual } from 'node:util'
import type { PoolFacts } from '../admin/health.ts'
import type { Metrics } from '../admin/metrics.ts'
import type { OperatorWords } from '../model/admin-state.ts'
import { differingKeys } from '../model/shared-map.ts'
import type { DesiredUpdate, ServiceProvenance } from '../pipeline/desired-update.ts'
import type { Status } from './status.ts'
import { shownMode } from './transitions.ts'

/** Tells health and metrics how the pools stand that stand otherwise than before. */
export function tellPools(
  before: DesiredUpdate | undefined,
  after: DesiredUpdate,
  { status, metrics }: { readonly status: Pick<Status, 'poolChanged'>; readonly metrics: Pick<Metrics, 'poolChanged'> },
): void {
  const keys = differingKeys(before?.provenance, after.provenance)
  // What is gone first: its name may belong to another service now.
  for (const key of keys) {
    const then = before?.provenance.get(key)
    if (then === undefined || after.provenance.has(key)) continue
    metrics.poolChanged(poolFacts(then), undefined)
    status.poolChanged(key, undefined)
  }
  for (const key of keys) {
    const [then, now] = [before?.provenance.get(key), after.provenance.get(key)]
    if (now === undefined) continue
    const facts = poolFacts(now)
    const old = then && poolFacts(then)
    if (isDeepStrictEqual(facts, old)) continue
    metrics.poolChanged(old, facts)
    status.poolChanged(key, facts)
  }
}

function poolFacts({ spec, pool, members }: Pick<ServiceProvenance, 'spec' | 'pool' | 'members'>): PoolFacts {
  return {
    service: spec.name,
    mode: shownMode({ pool, members }),
    ...(pool.quorum !== undefined && { hasQuorum: pool.quorum.has }),
    heldFailures: pool.heldFailures.size,
  }
}

/** Of how many backends the operator's word counts, by what it says. */
export function wordCounts(words: OperatorWords): Parameters<Metrics['operatorWords']>[0] {
  const counts = { drain: 0, maintenance: 0, weight: 0 }
  for (const backends of words.values()) {
    for (const { state, weight } of backends.values()) {
      if (state !== 'ready') counts[state]++
      if (weight !== undefined) counts.weight++
    }
  }
  return counts
}
