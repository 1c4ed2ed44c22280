import type { ExitPolicy } from '../config/configuration.ts'
import type { Logger } from '../log.ts'
import type { InOrderSink } from '../sinks/in-order.ts'
import type { Running } from './running.ts'
import type { Status } from './status.ts'
import type { Supervisor } from './supervisor.ts'

/** Milliseconds beyond the longest drain that the end may take. */
const SPARE = 10_000

interface Parts {
  readonly running: Running
  readonly sink: Pick<InOrderSink, 'exit'>
  /** Called once what is ours has been removed; `allIsGone`: nothing of it stayed, and nothing of others is in the table. */
  readonly restoreSysctls: (allIsGone: boolean) => Promise<void>
  readonly status: Status
  readonly supervisor: Supervisor
  readonly logger: Logger
  /** In place of what the configuration says. */
  readonly onExit?: ExitPolicy
}

/** Writes what has arrived, then does what `on_exit` of the configuration in force says. */
export async function leave({
  running,
  sink,
  restoreSysctls,
  status,
  supervisor,
  logger,
  onExit = running.configuration.settings.onExit,
}: Parts): Promise<void> {
  const timeout = Math.max(0, ...running.services.map(({ drainTimeout }) => drainTimeout))
  supervisor.stopping(onExit === 'drain' ? timeout + SPARE : 0)
  running.stop()
  await running.ended
  if (status.stuck !== undefined) {
    logger.error('the kernel is stuck: the table stays as it is')
    return
  }
  if (onExit !== 'keep') {
    logger.info({ on_exit: onExit }, onExit === 'drain' ? 'draining all that is ours' : 'removing all that is ours')
  }
  const report = await sink.exit(onExit, { timeout })
  for (const { object, code, message } of report.failed) logger.error({ object, code }, message)
  if (onExit === 'remove') await restoreSysctls(report.failed.length === 0 && report.foreign === 0)
  logger.info({ on_exit: onExit, applied: report.applied, foreign: report.foreign }, 'stopped')
}
