import { sourceName } from '../model/source-spec.ts'
import { serviceKey } from '../model/virtual-service.ts'
import { waitingCount } from './debounce.ts'
import type { Pool } from './deciding/pool.ts'
import type { PoolStatus, ServiceProvenance, SourceStatus } from './desired-update.ts'
import { heldFor } from './guard.ts'
import type { ServiceState } from './service.ts'

/** How the sources of a service stand. */
export function sourceStatuses(state: ServiceState): SourceStatus[] {
  return state.slots.map(({ spec, held }) => ({
    service: serviceKey(state.spec.identity),
    name: state.spec.name,
    source: sourceName(spec),
    state: held.state,
    records: held.members.size,
    heldRemovals: heldFor(state.guarded, sourceName(spec)).size,
    updates: held.updates,
    quarantined: held.quarantined ?? 0,
    since: held.since,
    ...(held.answeredAt !== undefined && { answeredAt: held.answeredAt }),
    ...(held.partial && { partial: held.partial }),
    ...(held.expired && { expired: held.expired }),
    ...(held.failure !== undefined && { failure: held.failure }),
  }))
}

/** Where the service's destinations come from. */
export function provenance(state: ServiceState): ServiceProvenance {
  return {
    spec: state.spec,
    sources: sourceStatuses(state),
    members: state.merged,
    held: state.guarded.held,
    leftOut: state.decided.leftOut,
    waiting: waitingCount(state.debounced),
    operational: state.hearing.passed.found,
    admin: state.hearing.passed.words,
    pool: poolStatus(state.pool),
  }
}

function poolStatus({ verdict, panicSince, quorum, announced, ejections }: Pool): PoolStatus {
  return {
    mode: verdict.mode,
    heldFailures: ejections.held,
    ...(panicSince !== undefined && { panicSince }),
    ...(quorum !== undefined && { quorum }),
    ...(announced !== undefined && { announced }),
  }
}
