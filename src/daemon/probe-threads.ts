import type { Metrics } from '../admin/metrics.ts'
import { ProbeThreads, type ThreadEnd } from '../health/threads/probe-threads.ts'
import type { Logger } from '../log.ts'
import type { Host } from './host.ts'

interface Parts {
  readonly host: Pick<Host, 'probeFor' | 'startProbeThread'>
  readonly metrics: Metrics
  readonly logger: Logger
}

/** Who asks backends: so many threads, or this one. */
export function openProbeThreads(count: number, { host, metrics, logger }: Parts): ProbeThreads {
  return new ProbeThreads({
    count,
    start: (listener) => host.startProbeThread(listener),
    probeFor: (kind, target) => host.probeFor(kind, target),
    onCount: (ready) => metrics.probeThreads(ready),
    onEnd: (end) => {
      metrics.probeThreadEnded()
      tell(end, logger)
    },
  })
}

function tell({ why, cannotStart, again }: ThreadEnd, logger: Logger): void {
  if (cannotStart) {
    const meanwhile = 'where there is no other the main thread asks, and it is tried again in 30 s'
    logger.warn({ why }, `a thread for probes cannot be started (${why}): ${meanwhile}`)
    return
  }
  const questions = again === 1 ? 'the backend that it was asking is' : `the ${again} backends that it was asking are`
  const then = `another one takes its place, and ${questions} asked again`
  logger.error({ code: 'INTERNAL', why, again }, `a thread for probes was ended by ${why}: ${then}`)
}
