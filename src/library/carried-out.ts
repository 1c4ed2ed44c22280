import { isDeepStrictEqual } from 'node:util'
import { PointsmanError } from '../errors.ts'
import type { Change } from '../model/change.ts'
import { type DestinationKey, destinationKey } from '../model/destination.ts'
import { type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import type { Transition } from '../sinks/ipvs/transition.ts'
import { objectName } from '../sinks/ipvs/work.ts'
import type { PassReport } from '../sinks/sink.ts'
import type { OwnershipRecord } from '../store/ownership-record.ts'
import type { ApplyResult, ObjectResult } from './apply-result.ts'

/** Refuses what a plan did not say. That drains end is nothing new: the plan that began them said so. */
export function assertPlanned(planned: readonly Change[], found: readonly Change[], owned: OwnershipRecord): void {
  const known = new Map(planned.map((change) => [objectOf(change), change]))
  const unplanned = found.filter((change) => !isSame(known.get(objectOf(change)), change) && !endsDrain(change, owned))
  const [first] = unplanned
  if (first === undefined) return
  const more = unplanned.length === 1 ? '' : ` and ${unplanned.length - 1} more`
  throw new PointsmanError(
    'PLAN_OUTDATED',
    `Nothing was changed, because the table is not the one that was planned for (${first.kind} ${objectOf(first)}${more}): read it and plan again, with what is ours (owned) where there is a record of it.`,
    { detail: { unplanned } },
  )
}

/** What became of each change: `found` was still to be made, `transitions` are what the kernel took or what became ours as it was. */
export function resultsOf(
  planned: readonly Change[],
  { found, transitions }: { readonly found: readonly Change[]; readonly transitions: readonly Transition[] },
  report: PassReport,
): ApplyResult {
  const failed = new Map(report.failed.map((failure) => [failure.object, failure]))
  const taken = new Set(transitions.map(({ service, destination }) => objectName(service, destination)))
  const done = new Set(found.map(objectOf).filter((object) => taken.has(object)))
  const results = planned.map((change): ObjectResult => {
    const object = objectOf(change)
    const failure = failed.get(object)
    if (failure !== undefined) return { change, outcome: 'failed', code: failure.code, message: failure.message }
    return { change, outcome: done.has(object) ? 'done' : 'not made' }
  })
  return { results, ok: failed.size === 0, draining: report.draining }
}

function objectOf(change: Change): string {
  return objectName(serviceKey(change.service), destinationOf(change))
}

function destinationOf(change: Change): DestinationKey | undefined {
  switch (change.kind) {
    case 'add-destination':
    case 'edit-destination':
      return destinationKey(change.after)
    case 'delete-destination':
      return destinationKey(change.before)
    default:
      return undefined
  }
}

/** Causes and reasons are told apart by what was known at the time, the change itself is not. */
function isSame(planned: Change | undefined, found: Change): boolean {
  return planned !== undefined && isDeepStrictEqual(stripped(planned), stripped(found))
}

function stripped(change: Change): object {
  const { kind } = change
  return { kind, before: 'before' in change ? change.before : undefined, after: 'after' in change ? change.after : undefined }
}

function endsDrain(change: Change, { services }: OwnershipRecord): boolean {
  const key: ServiceKey = serviceKey(change.service)
  const drains = services.get(key)?.drains
  if (change.kind === 'delete-destination') return drains?.has(destinationKey(change.before)) ?? false
  if (change.kind !== 'delete-service') return false
  return drains !== undefined && [...(services.get(key)?.destinations ?? [])].every((destination) => drains.has(destination))
}
