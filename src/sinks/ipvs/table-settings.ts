import { PointsmanError } from '../../errors.ts'
import { failpoint } from '../../failpoint.ts'
import type { IpvsCommand, IpvsKernel } from '../../kernel/for-sinks.ts'
import type { TableChange } from '../../model/change.ts'
import type { DesiredState } from '../../model/desired-state.ts'
import type { IpvsTimeouts, SyncDaemon } from '../../model/ipvs-table.ts'
import type { OwnershipEdit, OwnershipRecord, OwnershipStore } from '../../store/ownership.ts'
import type { Backoff } from './backoff.ts'
import type { PassRequest, PassTools } from './pass-request.ts'
import { type OccupiedRole, planSyncDaemons, planTimeouts } from './plan-table.ts'
import { tableRefusalText } from './refusal.ts'

/** What is to be done about kernel timeouts and sync daemons, and about the record of the latter. */
export interface TablePlan {
  readonly changes: readonly TableChange[]
  readonly intents: readonly OwnershipEdit[]
  readonly forgets: readonly OwnershipEdit[]
  readonly occupied: readonly OccupiedRole[]
}

/** What failures of these settings are grouped by. */
export const SETTINGS = 'table settings'

/** Names under which settings of the whole table fail and are retried. */
export type SettingName = 'timeouts' | 'sync daemon master' | 'sync daemon backup'

export function settingName(change: TableChange): SettingName {
  if (change.kind === 'set-timeouts') return 'timeouts'
  return settingOfRole(change.kind === 'start-sync-daemon' ? change.after.role : change.before.role)
}

function settingOfRole(role: SyncDaemon['role']): SettingName {
  return `sync daemon ${role}`
}

/** Reads what is desired of the table as a whole, and nothing else, and plans the differences. */
export async function planTable(kernel: IpvsKernel, desired: DesiredState, record: OwnershipRecord): Promise<TablePlan> {
  const timeouts = desired.timeouts === undefined ? undefined : await timeoutsChange(kernel, desired.timeouts)
  const first = timeouts === undefined ? [] : [timeouts]
  if (desired.syncDaemons === undefined) return { changes: first, intents: [], forgets: [], occupied: [] }
  const needsRead = desired.syncDaemons.length > 0 || record.syncDaemons.size > 0
  const running: readonly SyncDaemon[] = needsRead ? await kernel.readSyncDaemons() : []
  const plan = planSyncDaemons(desired.syncDaemons, running, record.syncDaemons)
  return {
    changes: [...first, ...plan.changes],
    intents: plan.own.map((role) => ({ do: 'own-sync-daemon', role })),
    forgets: plan.forget.map((role) => ({ do: 'forget-sync-daemon', role })),
    occupied: plan.occupied,
  }
}

/** The sentence for a role that another program's daemon holds. */
export function occupiedText({ desired, actual }: OccupiedRole): string {
  return `A ${actual.role} sync daemon that Pointsman did not start runs on ${actual.interface} with id ${actual.id}, so the one for ${desired.interface} with id ${desired.id} cannot: stop it with \`ipvsadm --stop-daemon ${actual.role}\`, or take it out of global.ipvs.`
}

/** A setting that the kernel took. */
interface SettingDone {
  readonly kind: TableChange['kind']
  readonly name: SettingName
  readonly drifted: boolean
}

/** Kernel timeouts and sync daemons: at every full pass, when they are desired otherwise than before, and for a retry. */
export async function reconcileSettings(tools: PassTools, request: PassRequest, full: boolean): Promise<SettingDone[]> {
  const { kernel, store, memory } = tools
  const { desired, now } = request
  const { previous, backoff } = memory
  const changed = desired.timeouts !== previous?.timeouts || desired.syncDaemons !== previous?.syncDaemons
  if (!full && !changed && !backoff.due(now).has(SETTINGS)) return []
  const plan = await planTable(kernel, desired, store.record)
  const occupied = new Map(plan.occupied.map((role) => [settingOfRole(role.desired.role), occupiedText(role)]))
  backoff.keepOnly(SETTINGS, new Set([...plan.changes.map(settingName), ...occupied.keys()]))
  for (const [name, message] of occupied) settingFailed(backoff, name, message, now)
  const due = plan.changes.filter((change) => changed || !backoff.holds(settingName(change), undefined, now))
  const recorded = await written(store, plan.intents, 'record', backoff, now)
  const done: SettingDone[] = []
  const forgets = [...plan.forgets]
  for (const change of due) {
    const name = settingName(change)
    if (!recorded && change.kind !== 'set-timeouts') continue
    // In the place of one of ours that could not be stopped nothing can start, and it stays ours.
    if (change.kind === 'start-sync-daemon' && stillRuns(change.after.role, done, plan)) continue
    const drifted = !changed && previous !== undefined && !backoff.has(name)
    const failure = (await kernel.write([settingCommand(change)])).failures[0]
    if (change.kind !== 'set-timeouts') failpoint('ipvs.after-daemon-write')
    const alreadyGone = change.kind === 'stop-sync-daemon' && failure?.errno === 'ESRCH'
    if (failure === undefined || alreadyGone) {
      done.push({ kind: change.kind, name, drifted })
      backoff.clear(name)
      continue
    }
    settingFailed(backoff, name, tableRefusalText(change, failure), now)
    // What did not start is not ours: the role may be another program's by now.
    if (change.kind === 'start-sync-daemon') forgets.push({ do: 'forget-sync-daemon', role: change.after.role })
  }
  const gone = forgets.filter((edit) => edit.do !== 'forget-sync-daemon' || !stillRuns(edit.role, done, plan))
  await written(store, gone, 'forget', backoff, now)
  return done
}

/** Whether a daemon of ours that was to be stopped could not be. */
function stillRuns(role: SyncDaemon['role'], done: readonly SettingDone[], plan: TablePlan): boolean {
  const stops = plan.changes.some((change) => change.kind === 'stop-sync-daemon' && change.before.role === role)
  return stops && !done.some(({ kind, name }) => kind === 'stop-sync-daemon' && name === settingOfRole(role))
}

async function written(
  store: OwnershipStore,
  edits: readonly OwnershipEdit[],
  step: 'record' | 'forget',
  backoff: Backoff<string>,
  now: number,
): Promise<boolean> {
  if (edits.length === 0) return true
  try {
    failpoint(`ipvs.before-daemon-${step}`)
    await store.write(edits)
    failpoint(`ipvs.after-daemon-${step}`)
    return true
  } catch (error) {
    if (!(error instanceof PointsmanError) || error.code !== 'STATE_UNWRITABLE') throw error
    backoff.fail('sync daemon record', SETTINGS, undefined, now, error)
    return false
  }
}

function settingFailed(backoff: Backoff<string>, name: string, message: string, now: number): void {
  backoff.fail(name, SETTINGS, undefined, now, { code: 'KERNEL_REFUSED', message })
}

function settingCommand(change: TableChange): IpvsCommand {
  if (change.kind === 'set-timeouts') return { kind: change.kind, timeouts: change.after }
  if (change.kind === 'start-sync-daemon') return { kind: change.kind, daemon: change.after }
  return { kind: change.kind, role: change.before.role }
}

async function timeoutsChange(kernel: IpvsKernel, desired: Partial<IpvsTimeouts>): Promise<TableChange | undefined> {
  return planTimeouts(desired, await kernel.readTimeouts())
}
