import type { Metrics } from '../admin/metrics.ts'
import type { Logger } from '../log.ts'
import type { SourceChange, SourceStatus } from '../pipeline/desired-update.ts'
import { wallTime } from '../steady-scheduler.ts'
import { counted } from './counted.ts'
import type { Status } from './status.ts'

/** Tells health, metrics and the log what became different about a source. */
export function tellSource(
  change: SourceChange,
  { status, metrics, logger }: { readonly status: Status; readonly metrics: Metrics; readonly logger: Logger },
): void {
  status.sourceChanged(change)
  const { name, source, state, records, expired, failure } = change.status
  const detail = { service: name, source }
  if (change.kind === 'gone') {
    metrics.sourceGone(name, source)
    logger.info(detail, `source ${source} of ${name} left the configuration`)
    return
  }
  const before = change.before
  if (before !== undefined && before.name !== name) metrics.sourceGone(before.name, source)
  const newFailure = failure !== undefined && failure.at !== before?.failure?.at ? failure : undefined
  metrics.sourceChanged(change.status, newFailure?.code)
  if (newFailure !== undefined) {
    const what = { ...detail, state, code: newFailure.code }
    logger.warn(what, `source ${source} of ${name}: ${newFailure.message} (${meanwhile(change.status, before)})`)
  } else if (expired !== undefined && before?.expired === undefined) {
    logger.warn({ ...detail, state: 'expired' }, `source ${source} of ${name}: away for max_age, its backends drain`)
  } else if (state !== before?.state && state === 'up') {
    logger.info({ ...detail, state, records }, `source ${source} of ${name}: up, ${counted(records, 'backend')}`)
  }
}

function meanwhile({ state, expired, answeredAt }: SourceStatus, before: SourceStatus | undefined): string {
  if (state !== 'stale' || answeredAt === undefined) return 'what the kernel holds is left alone'
  if (expired) return 'its backends have drained'
  if (before?.state === 'stale' || before?.state === 'up') return 'its last good answer stays in use'
  return `its last good answer, of ${wallTime(answeredAt)}, stands in for it`
}
