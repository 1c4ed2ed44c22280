import { auditTime, Observable, type SchedulerLike, Subject } from 'rxjs'
import { type ChecksEdit, runEditedChecks } from '../health/checks.ts'
import type { ProbeResult } from '../model/probe-result.ts'
import type { ProbeKind } from '../model/probe-spec.ts'
import type { OperationalNews } from '../pipeline/desired-update.ts'
import { Board, type BoardOptions, type LastResults, type Update } from './probe-board.ts'

export type { Certificates, LastResults } from './probe-board.ts'
export type { LastResult } from './running-check.ts'

/** Milliseconds in which findings of one service are gathered: members of one pool die together, and are asked at moments of their own. */
const GATHER = 50

export interface ProbeBackendsOptions extends BoardOptions {
  /** Probes under way at a time. */
  readonly limit: number
  /** `took`: milliseconds. */
  readonly onResult: (kind: ProbeKind['kind'], result: ProbeResult, took: number) => void
  /** Told of each probe how many milliseconds after its moment it begins. */
  readonly onBegin?: (late: number) => void
  /** Given once: what asks for the last results of a backend of a service. */
  readonly onBoard?: (lastResults: LastResults) => void
  /** Its time is milliseconds since the epoch and never runs backwards. */
  readonly scheduler: SchedulerLike
}

/**
 * Asks every member of every service that has checks, and says what was found, service by service. A member that several
 * services ask in the same way is asked once. A check whose settings change, or that moves to another kind, goes on from the
 * health that was found.
 */
export function probeBackends(updates$: Observable<Update>, options: ProbeBackendsOptions): Observable<OperationalNews> {
  const { onResult, scheduler } = options
  return new Observable((subscriber) => {
    const edits$ = new Subject<ChecksEdit>()
    const early$ = new Subject<readonly string[]>()
    const news$ = new Subject<void>()
    const board = new Board(options)
    options.onBoard?.((service, backend) => board.lastResults(service, backend))
    subscriber.add(
      news$.pipe(auditTime(GATHER, scheduler)).subscribe(() => {
        for (const news of board.news()) subscriber.next(news)
        const early = board.early()
        if (early.length > 0) early$.next(early)
      }),
    )
    subscriber.add(
      edits$.pipe(runEditedChecks({ ...options, early$ })).subscribe(({ key, result, took }) => {
        const kind = board.heard(key, result, took)
        if (kind === undefined) return
        onResult(kind, result, took)
        if (board.hasNews) news$.next()
      }),
    )
    subscriber.add(
      updates$.subscribe((update) => {
        const edit = board.follow(update)
        if (edit !== undefined) edits$.next(edit)
        if (board.hasNews) news$.next()
      }),
    )
  })
}
