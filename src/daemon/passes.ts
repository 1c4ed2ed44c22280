import type { Metrics } from '../admin/metrics.ts'
import { PointsmanError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { DesiredState } from '../model/desired-state.ts'
import type { PassResult } from '../pipeline/wire.ts'
import type { ObjectFailure, PassReport, Sink } from '../sinks/sink.ts'
import type { Status } from './status.ts'

type Reconcile = (desired: DesiredState, scope: 'changes' | 'full', now: number, signal: AbortSignal) => Promise<PassReport>

/** Who is told what became of a pass. */
export interface Listeners {
  readonly status: Status
  readonly metrics: Metrics
  readonly logger: Logger
}

/** A sink's passes, told to the metrics; once the kernel is stuck no further one begins. */
export function watchedPasses(sink: Sink, status: Status, metrics: Metrics): Reconcile {
  return async (desired, scope, now, signal) => {
    if (status.stuck !== undefined) throw new PointsmanError('KERNEL_STUCK', status.stuck)
    metrics.passBegan(sink.name, scope)
    return sink.reconcile(desired, scope, now, { signal })
  }
}

/** What became of a pass, told to everybody who wants to know: health, metrics, log. */
export function recordPass(
  sink: string,
  result: PassResult<PassReport>,
  update: Parameters<Status['passEnded']>[0],
  { status, metrics, logger }: Listeners,
): void {
  const seconds = (result.finishedAt - result.startedAt) / 1000
  if (!result.ok) {
    const error = asPointsmanError(result.error)
    metrics.passRejected(sink, result.scope, error.code, seconds, Math.max(1, result.desired.services.size))
    status.passRejected(error.message)
    status.sinks.note({ sink, at: result.finishedAt, failure: error.message, good: false })
    if (error.code === 'KERNEL_STUCK') becomeStuck(error, { status, metrics, logger })
    else logger.error({ sink, scope: result.scope, code: error.code }, error.message)
    return
  }
  const { report } = result
  const good = isGood(report, result.desired)
  for (const part of report.parts ?? [{ sink, ok: true, report, seconds } as const]) {
    if (part.sink !== sink) metrics.passBegan(part.sink, result.scope)
    const goodPart = part.ok && isGood(part.report, result.desired)
    if (part.ok) metrics.passEnded(part.sink, result.scope, part.report, goodPart, part.seconds)
    else metrics.passRejected(part.sink, result.scope, part.code, part.seconds, part.failing)
    const outcome = part.ok ? { report: part.report } : { failure: part.code, failing: part.failing }
    status.sinks.note({ sink: part.sink, at: result.finishedAt, good: goodPart, ...outcome })
  }
  if (result.eventAt !== undefined && report.failed.length === 0) {
    metrics.programmed(Math.max(0, result.finishedAt - result.eventAt) / 1000)
  }
  const turned = logFailures(sink, status.failingObjects, report.failed, logger)
  const isLate = report.parts?.some((part) => !part.ok && part.late) === true
  status.passEnded(update, good, report.failed, isLate)
  logPass(sink, result.scope, report, seconds, turned, logger)
}

/** A pass in which every service failed has done no good, though it was not rejected. */
function isGood(report: PassReport, desired: DesiredState): boolean {
  if (report.failed.length === 0) return true
  const failedServices = new Set(report.failed.map(({ object }) => object))
  for (const key of desired.services.keys()) if (!failedServices.has(key)) return true
  return desired.services.size === 0
}

/** Once, loudly: from now on nothing is written and nobody calls us healthy. */
export function becomeStuck(error: PointsmanError, { status, metrics, logger }: Listeners): void {
  if (status.stuck !== undefined) return
  status.kernelStuck(error.message)
  metrics.kernelStuck()
  logger.fatal({ code: error.code }, error.message)
}

/**
 * One line when an object begins to fail or fails in another way, one when it does no longer; further tries that end the
 * same way say nothing. Gives whether there was a line.
 */
function logFailures(sink: string, before: readonly ObjectFailure[], now: readonly ObjectFailure[], logger: Logger): boolean {
  let turned = false
  const earlier = new Map(before.map(({ object, message }) => [object, message]))
  for (const { object, code, message } of now) {
    if (earlier.get(object) !== message) {
      logger.error({ sink, object, code }, message)
      turned = true
    }
    earlier.delete(object)
  }
  for (const object of earlier.keys()) {
    logger.info({ sink, object }, `${object} fails no longer`)
    turned = true
  }
  return turned
}

function logPass(sink: string, scope: string, report: PassReport, seconds: number, turned: boolean, logger: Logger): void {
  const changes = Object.values(report.applied).reduce((sum, count) => sum + count, 0)
  const detail = {
    sink,
    scope,
    applied: report.applied,
    failed: report.failed.length,
    drift: report.driftRepaired,
    foreign: report.foreign,
    draining: report.draining,
    seconds,
  }
  const what = `pass: ${changes} ${changes === 1 ? 'change' : 'changes'}, ${report.failed.length} failed`
  logger[changes > 0 || turned ? 'info' : 'debug'](detail, what)
}

/** Errors that nobody planned are defects, and are reported as such. */
export function asPointsmanError(error: unknown): PointsmanError {
  if (error instanceof PointsmanError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new PointsmanError('INTERNAL', `Unexpected: ${message}.`, { cause: error })
}
