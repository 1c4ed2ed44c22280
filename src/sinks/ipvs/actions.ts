import { PointsmanError } from '../../errors.ts'
import type { Change, TableChange } from '../../model/change.ts'
import type { DesiredService, DesiredState } from '../../model/desired-state.ts'
import { destinationKey } from '../../model/destination.ts'
import { serviceKey } from '../../model/virtual-service.ts'
import type { Task, Work } from './work.ts'

/**
 * What `apply --allowed-actions` takes: add, update, delete a service or a destination. Setting a leaving destination to
 * weight 0 is the first half of its deletion and counts as that; with a service that leaves, as the deletion of the service.
 */
export const ACTIONS = ['as', 'us', 'ds', 'ad', 'ud', 'dd'] as const

export type Action = (typeof ACTIONS)[number]

/** The action that a change needs, given what is desired for its service; undefined: the service leaves. */
export function actionOf(change: Change, desired: DesiredService | undefined): Action {
  switch (change.kind) {
    case 'add-service':
      return 'as'
    case 'edit-service':
      return 'us'
    case 'delete-service':
      return 'ds'
    case 'add-destination':
      return 'ad'
    case 'edit-destination':
      if (desired === undefined) return 'ds'
      return desired.destinations.has(destinationKey(change.after)) ? 'ud' : 'dd'
    case 'delete-destination':
      return desired === undefined ? 'ds' : 'dd'
  }
}

/** Whether a change may be made; everything may where no actions are given. */
export function isAllowed(change: Change, allowed: ReadonlySet<Action> | undefined, desired: DesiredState): boolean {
  return allowed === undefined || allowed.has(actionOf(change, desired.services.get(serviceKey(change.service))))
}

/**
 * Refuses a whole plan when one of its changes needs an action that is not allowed. No action stands for settings of the
 * whole table: they need all of them.
 */
export function requireAllowed(
  changes: readonly Change[],
  tableChanges: readonly TableChange[],
  allowed: ReadonlySet<Action>,
  desired: DesiredState,
): void {
  const forbidden = [
    ...changes.flatMap((change) =>
      isAllowed(change, allowed, desired)
        ? []
        : [
            {
              action: actionOf(change, desired.services.get(serviceKey(change.service))),
              change: change.kind,
              object: objectOf(change),
            },
          ],
    ),
    ...(ACTIONS.every((action) => allowed.has(action)) ? [] : tableChanges).map(({ kind }) => ({
      action: '*',
      change: kind,
      object: 'of the whole table',
    })),
  ]
  const first = forbidden[0]
  if (first === undefined) return
  const more = forbidden.length === 1 ? '' : ` and ${forbidden.length - 1} more`
  const missing = [...new Set(forbidden.map(({ action }) => action))].sort().join(',')
  throw new PointsmanError(
    'ACTION_NOT_ALLOWED',
    `Nothing was changed, because the plan needs actions that are not allowed (${missing}): ${first.change} ${first.object}${more}; allow them or change the input.`,
    { detail: { forbidden } },
  )
}

/** The part of the work whose changes may be made. */
export function onlyAllowed(work: Work, allowed: ReadonlySet<Action> | undefined, desired: DesiredState): Work {
  if (allowed === undefined) return work
  const may = ({ step }: Task) => step.change === undefined || isAllowed(step.change, allowed, desired)
  return {
    creations: work.creations.filter(may),
    edits: work.edits.filter(may),
    removals: work.removals.filter(may),
    recordOnly: work.recordOnly,
  }
}

function objectOf(change: Change): string {
  const service = serviceKey(change.service)
  if (change.kind === 'add-service' || change.kind === 'edit-service' || change.kind === 'delete-service') return service
  return `${destinationKey(change.kind === 'delete-destination' ? change.before : change.after)} of ${service}`
}
