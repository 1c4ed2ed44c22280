import { assertWritable } from '../daemon/state-directory.ts'
import { holdTable, openIpvsKernel } from '../kernel/for-daemon.ts'
import type { DesiredState } from '../model/desired-state.ts'
import type { IpvsTable } from '../model/ipvs-table.ts'
import { openOwnership } from '../store/ownership.ts'
import type { OwnershipRecord } from '../store/ownership-record.ts'
import type { ApplyResult } from './apply-result.ts'
import { MemoryOwnership } from './memory-ownership.ts'
import { OpenedIpvs } from './opened-ipvs.ts'
import type { PlanOptions, TablePlan } from './plan.ts'

export interface OpenOptions {
  /**
   * `read` (the default) takes no lock and may run beside a daemon. `write` makes this process the one writer of the table of its
   * network namespace until it is closed: no daemon starts meanwhile, and where one runs it rejects with TABLE_HELD.
   */
  readonly access?: 'read' | 'write'
  /**
   * Directory with the durable record of what is ours, as `state_dir` of the commands. Left out: what was created or adopted through
   * this handle is ours until it is closed, and foreign to whoever comes after.
   */
  readonly stateDir?: string
  /** Milliseconds without progress after which the kernel counts as stuck; 10,000 by default. */
  readonly deadline?: number
}

export interface ReadOptions {
  /** Read the 64-bit counters too; false by default. */
  readonly statistics?: boolean
}

/** The IPVS table of this process's network namespace. Its calls reject with a PointsmanError. */
export interface Ipvs extends AsyncDisposable {
  /** The whole table as it is now, whoever made it. */
  readTable(options?: ReadOptions): Promise<IpvsTable>
  /** What is ours by the record, or by what this handle did. Changes with every `apply`. */
  readonly owned: OwnershipRecord
  /** Reads the table and plans with what is ours. */
  plan(desired: DesiredState, options?: Omit<PlanOptions, 'owned'>): Promise<TablePlan>
  /**
   * Carries a plan out. The table is read once more: where it would take a change that the plan does not name, rejects with PLAN_OUTDATED and has written
   * nothing. What the kernel refuses of one object is in the result, the others go on. Backends that leave and are idle are gone when it
   * resolves, others go on draining. Needs `access: 'write'`.
   */
  apply(plan: TablePlan): Promise<ApplyResult>
  /** Ends the kernel thread and gives the table back; what is in the kernel stays. The same as disposing. */
  close(): Promise<void>
}

/**
 * Opens the table, with a thread of its own that talks to the kernel. Rejects with IPVS_MISSING, NO_PERMISSION (CAP_NET_ADMIN),
 * KERNEL_STUCK or UNSUPPORTED_PLATFORM; with `access: 'write'` also with TABLE_HELD, and with STATE_UNWRITABLE or STATE_NEWER for `stateDir`.
 */
export async function openIpvs(options: OpenOptions = {}): Promise<Ipvs> {
  const { access = 'read', stateDir, deadline } = options
  await using opening = new AsyncDisposableStack()
  if (access === 'write') opening.use(await holdTable({ command: 'library' }))
  const kernel = opening.use(await openIpvsKernel({ ...(deadline !== undefined && { deadlineMs: deadline }) }))
  if (stateDir !== undefined && access === 'write') await assertWritable(stateDir)
  const ownership = stateDir === undefined ? new MemoryOwnership() : await openOwnership({ directory: stateDir, access })
  return new OpenedIpvs({ kernel, ownership, access, parts: opening.move() })
}

/** Reads the whole table once and closes what it opened. Rejects as `openIpvs` does. */
export async function readTable(options: ReadOptions & Pick<OpenOptions, 'deadline'> = {}): Promise<IpvsTable> {
  await using ipvs = await openIpvs(options)
  return await ipvs.readTable(options)
}

/**
 * Carries one plan out and closes what it opened; see `Ipvs.apply`. A plan that removes something needs the `stateDir` by whose record it
 * was made: without one nothing is ours, and nothing will be afterwards.
 */
export async function apply(planned: TablePlan, options: Omit<OpenOptions, 'access'> = {}): Promise<ApplyResult> {
  await using ipvs = await openIpvs({ ...options, access: 'write' })
  return await ipvs.apply(planned)
}
