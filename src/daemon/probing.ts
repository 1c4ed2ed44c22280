import { type Observable, Subject, type Subscription, takeUntil } from 'rxjs'
import type { Metrics } from '../admin/metrics.ts'
import type { Logger } from '../log.ts'
import type { ProbeResult } from '../model/probe-result.ts'
import type { ProbeKind } from '../model/probe-spec.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { DesiredUpdate, OperationalNews, ProbeVerdict } from '../pipeline/desired-update.ts'
import { steadyScheduler } from '../steady-scheduler.ts'
import type { Host } from './host.ts'
import { logFinding } from './log-guard.ts'
import { type Certificates, type LastResults, type ProbeBackendsOptions, probeBackends } from './probe-backends.ts'
import { probeHeld } from './probe-held.ts'
import type { RoadKeeper } from './road-keeper.ts'

export interface ProbingParts {
  readonly probeFor: Host['probeFor']
  /** Of probes at the addresses of services. */
  readonly roads: RoadKeeper
  /** Probes of backends under way at a time. */
  readonly probeLimit: number
  readonly metrics: Metrics
  readonly logger: Logger
}

/** What our probes find, for the pipeline and for whoever asks. */
export class Probing {
  /** Of members whose removal is held. */
  readonly probed$ = new Subject<ProbeVerdict>()
  readonly operational$ = new Subject<OperationalNews>()
  /** That backends have shown. */
  readonly certificates = new Map<ServiceKey, Certificates>()
  #lastResults: LastResults = () => []

  /** What probes of a backend found last. */
  get lastResults(): LastResults {
    return this.#lastResults
  }

  /** Until `end$` all members with checks are asked, and those whose removal is held by a TCP connect as well. */
  follow(updates$: Observable<DesiredUpdate>, parts: ProbingParts, end$: Observable<void>): Subscription {
    const probing = this.#verdicts(updates$, parts)
      .pipe(takeUntil(end$))
      .subscribe((verdict) => this.probed$.next(verdict))
    probing.add(
      this.#news(updates$, parts)
        .pipe(takeUntil(end$))
        .subscribe((news) => this.operational$.next(news)),
    )
    return probing
  }

  #verdicts(updates$: Observable<DesiredUpdate>, { probeFor, metrics, logger }: ProbingParts): Observable<ProbeVerdict> {
    return probeHeld(updates$, {
      tcpProbe: (target) => probeFor(PLAIN_TCP, target),
      onResult: (result, took) => tellResult(metrics, 'tcp', result, took),
      onFinding: (finding) => logFinding(logger, finding),
      scheduler: steadyScheduler,
    })
  }

  #news(
    updates$: Observable<DesiredUpdate>,
    { probeFor, roads, probeLimit, metrics }: ProbingParts,
  ): Observable<OperationalNews> {
    const probeBy: ProbeBackendsOptions['probeFor'] = (kind, target, road) =>
      road === undefined ? probeFor(kind, target) : roads.probe(kind, target, road)
    return probeBackends(updates$, {
      probeFor: probeBy,
      limit: probeLimit,
      onResult: (...result) => tellResult(metrics, ...result),
      onBegin: (late) => metrics.probeBegan(late / 1000),
      onCertificates: (service, shown) => {
        if (shown.size === 0) this.certificates.delete(service)
        else this.certificates.set(service, shown)
      },
      onBoard: (lastResults) => {
        this.#lastResults = lastResults
      },
      scheduler: steadyScheduler,
    })
  }
}

const PLAIN_TCP: ProbeKind = { kind: 'tcp' }

function tellResult(metrics: Metrics, kind: string, { outcome }: ProbeResult, took: number): void {
  metrics.probed(kind, outcome, took / 1000)
}
