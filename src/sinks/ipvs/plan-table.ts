import type { TableChange } from '../../model/change.ts'
import type { IpvsTimeouts, SyncDaemon } from '../../model/ipvs-table.ts'

/** A desired sync daemon whose role another program's daemon holds: there is one of each role, and theirs is not ours to stop. */
export interface OccupiedRole {
  readonly desired: SyncDaemon
  readonly actual: SyncDaemon
}

export interface SyncPlan {
  readonly changes: readonly Exclude<TableChange, { kind: 'set-timeouts' }>[]
  /** Roles to record as ours before the writes: those started, and those that run already exactly as desired. */
  readonly own: readonly SyncDaemon['role'][]
  /** Roles to strike from the record after the writes. */
  readonly forget: readonly SyncDaemon['role'][]
  readonly occupied: readonly OccupiedRole[]
}

/** The timeouts to write, or undefined when those that are ours are as desired. */
export function planTimeouts(desired: Partial<IpvsTimeouts>, actual: IpvsTimeouts): TableChange | undefined {
  const after = {
    tcp: desired.tcp ?? actual.tcp,
    tcpFin: desired.tcpFin ?? actual.tcpFin,
    udp: desired.udp ?? actual.udp,
  }
  if (after.tcp === actual.tcp && after.tcpFin === actual.tcpFin && after.udp === actual.udp) return undefined
  return { kind: 'set-timeouts', before: actual, after }
}

/**
 * What to start and stop. A daemon of ours with other settings is stopped and started again, one of ours that is not
 * desired is stopped; one of somebody else's stays, and when its role is desired with other settings that is reported.
 */
export function planSyncDaemons(
  desired: readonly SyncDaemon[],
  actual: readonly SyncDaemon[],
  owned: ReadonlySet<SyncDaemon['role']>,
): SyncPlan {
  const plan = {
    changes: [] as SyncPlan['changes'][number][],
    own: [] as SyncDaemon['role'][],
    forget: [] as SyncDaemon['role'][],
  }
  const occupied: OccupiedRole[] = []
  for (const after of desired) {
    const running = actual.find((daemon) => daemon.role === after.role)
    if (running && isAsDesired(after, running)) {
      if (!owned.has(after.role)) plan.own.push(after.role)
    } else if (running && !owned.has(after.role)) {
      occupied.push({ desired: after, actual: running })
    } else {
      if (running) plan.changes.push({ kind: 'stop-sync-daemon', before: running })
      if (!owned.has(after.role)) plan.own.push(after.role)
      plan.changes.push({ kind: 'start-sync-daemon', after })
    }
  }
  for (const role of owned) {
    if (desired.some((daemon) => daemon.role === role)) continue
    const running = actual.find((daemon) => daemon.role === role)
    if (running) plan.changes.push({ kind: 'stop-sync-daemon', before: running })
    plan.forget.push(role)
  }
  return { ...plan, occupied }
}

/** Only what is written counts: the kernel fills in a message length, a group, a port and a TTL of its own. */
function isAsDesired(desired: SyncDaemon, actual: SyncDaemon): boolean {
  return (Object.keys(desired) as (keyof SyncDaemon)[]).every(
    (name) => desired[name] === undefined || desired[name] === actual[name] || (name === 'maximumLength' && desired[name] === 0),
  )
}
