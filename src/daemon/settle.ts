import { setTimeout as sleep } from 'node:timers/promises'
import type { DesiredState } from '../model/desired-state.ts'
import type { IpvsSink, PassOptions } from '../sinks/ipvs/ipvs-sink.ts'
import { joinedCounts } from '../sinks/reports.ts'
import type { PassReport } from '../sinks/sink.ts'
import { steadyScheduler } from '../steady-scheduler.ts'

/** Passes after the first: two reads show that a leaving destination is idle, one more removes a service that is empty then. */
const DRAIN_PASSES = 3
/** Milliseconds between two of them at the most: as long as the sink may rest between two reads of a large or slow table. */
const DRAIN_WAIT = 10_000

/** Milliseconds in which neighbours must have said that they do not hold an address; asking takes half a second on a quiet machine. */
const NEIGHBOURS_WAIT = 10_000

/**
 * What nobody uses goes before the command ends, and addresses about which neighbours were asked come; what still has connections is left
 * draining.
 */
export async function settle(
  sink: Pick<IpvsSink, 'reconcile'>,
  desired: DesiredState,
  options: PassOptions,
  first: PassReport,
): Promise<PassReport> {
  const end = steadyScheduler.now() + NEIGHBOURS_WAIT
  let report = first
  let drainPasses = 0
  while (report.wakeAt !== undefined) {
    const wait = report.wakeAt - steadyScheduler.now()
    const asks = (report.pending ?? 0) > 0 && steadyScheduler.now() < end
    const drains = report.draining > 0 && drainPasses < DRAIN_PASSES
    if (wait > DRAIN_WAIT || !(asks || drains)) break
    if (!asks) drainPasses += 1
    await until(report.wakeAt)
    const next = await sink.reconcile(desired, 'changes', steadyScheduler.now(), options)
    report = {
      ...next,
      applied: joinedCounts(report.applied, next.applied),
      driftRepaired: report.driftRepaired + next.driftRepaired,
    }
  }
  return report
}

/**
 * Timers may come a millisecond early, and what is not due then would be waited for in vain. The event loop has its turn also where the moment
 * is past: what neighbours say comes by it.
 */
async function until(moment: number): Promise<void> {
  do await sleep(Math.max(0, Math.ceil(moment - steadyScheduler.now())))
  while (moment > steadyScheduler.now())
}
