import type { FoundOnce } from '../daemon/ask-once.ts'
import type { PlanResult } from '../daemon/one-shot.ts'
import { formatEndpoint } from '../model/address.ts'
import type { Change, ForeignObject, Plan } from '../model/change.ts'
import { serviceKey } from '../model/virtual-service.ts'
import type { SourceStatus } from '../pipeline/desired-update.ts'
import { heldJson } from './held-text.ts'

/** How many differences a plan has; `plan` exits with 10 when there are any. */
export function changeCount(plan: Plan): number {
  return plan.changes.length + plan.tableChanges.length + (plan.sinkChanges?.length ?? 0)
}

/** A plan for programs: changes in the order in which a pass makes them, objects named by their keys. */
export function planJson({ plan, unanswered, held, found }: Omit<PlanResult, 'notes'>): Record<string, unknown> {
  return {
    changes: plan.changes.map(changeJson),
    table_changes: plan.tableChanges,
    sink_changes: plan.sinkChanges ?? [],
    foreign: plan.foreign.map(foreignJson),
    held: heldJson(held),
    found: foundJson(found),
    unanswered: unanswered.map(unansweredJson),
  }
}

function changeJson(change: Change): Record<string, unknown> {
  const { service, ...rest } = change
  const destination = destinationOf(change)
  return { ...rest, service: serviceKey(service), ...(destination !== undefined && { destination }) }
}

function destinationOf(change: Change): string | undefined {
  if (change.kind === 'add-destination' || change.kind === 'edit-destination') {
    return formatEndpoint(change.after.address, change.after.port)
  }
  return change.kind === 'delete-destination' ? formatEndpoint(change.before.address, change.before.port) : undefined
}

function foreignJson(object: ForeignObject): Record<string, unknown> {
  if (object.kind === 'service') {
    return { kind: 'service', service: serviceKey(object.service.identity), destinations: object.destinations }
  }
  const { address, port } = object.destination
  return {
    kind: 'destination',
    service: serviceKey(object.service),
    name: object.name,
    destination: formatEndpoint(address, port),
  }
}

/** What backends said, for programs, one object for each. */
export function foundJson(found: readonly FoundOnce[]): Record<string, unknown>[] {
  return found.flatMap(({ service, name, found }) =>
    [...found].map(([destination, { health, failure, message, report }]) => ({
      service,
      name,
      destination,
      state: health,
      ...(failure !== undefined && { failure }),
      ...(message !== undefined && { message }),
      ...(report !== undefined && { report }),
    })),
  )
}

/** A source without an answer that is whole, for programs. */
export function unansweredJson({ name, source, state, partial, failure }: SourceStatus): Record<string, unknown> {
  return {
    service: name,
    source,
    state,
    ...(partial && { partial }),
    ...(failure !== undefined && { code: failure.code, message: failure.message }),
  }
}
