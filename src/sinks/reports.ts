import type { ObjectFailure, PassReport } from './sink.ts'

/** What half of a pass of a sink did. */
export type HalfReport = Pick<PassReport, 'applied' | 'failed' | 'driftRepaired' | 'wakeAt'> &
  Partial<Pick<PassReport, 'foreign' | 'pending'>>

const NOTHING_DONE: PassReport = { applied: {}, failed: [], driftRepaired: 0, foreign: 0, draining: 0 }

/** The halves of one pass as one report: what was done adds up, and how things stand the later half knows best. */
export function joinedHalves(halves: readonly HalfReport[]): PassReport {
  return halves.reduce<PassReport>(
    (whole, half) => ({
      ...NOTHING_DONE,
      ...half,
      applied: joinedCounts(whole.applied, half.applied),
      driftRepaired: whole.driftRepaired + half.driftRepaired,
    }),
    NOTHING_DONE,
  )
}

/** The reports of several sinks as one. */
export function joinedReports(reports: readonly PassReport[]): PassReport {
  return reports.reduce(joined, NOTHING_DONE)
}

function joined(a: PassReport, b: PassReport): PassReport {
  const pending = (a.pending ?? 0) + (b.pending ?? 0)
  return {
    applied: joinedCounts(a.applied, b.applied),
    failed: oneEach([...a.failed, ...b.failed]),
    driftRepaired: a.driftRepaired + b.driftRepaired,
    foreign: a.foreign + b.foreign,
    draining: a.draining + b.draining,
    ...(pending > 0 && { pending }),
    ...earliest(a, b),
  }
}

/** What two parts of one work did, added up. */
export function joinedCounts(a: PassReport['applied'], b: PassReport['applied']): PassReport['applied'] {
  const sum: Record<string, number> = { ...a }
  for (const [kind, count] of Object.entries(b)) sum[kind] = (sum[kind] ?? 0) + count
  return sum
}

/** Two things that go wrong with one object are told in one failure: whoever follows it sees them come and go by its name. */
function oneEach(failed: readonly ObjectFailure[]): readonly ObjectFailure[] {
  const byObject = new Map<string, ObjectFailure>()
  for (const failure of failed) {
    const other = byObject.get(failure.object)
    byObject.set(failure.object, other === undefined || other.message === failure.message ? failure : both(other, failure))
  }
  return byObject.size === failed.length ? failed : [...byObject.values()]
}

function both(a: ObjectFailure, b: ObjectFailure): ObjectFailure {
  return { ...a, message: `${a.message} ${b.message}`, retryAt: Math.min(a.retryAt, b.retryAt) }
}

type Wake = Pick<PassReport, 'wakeAt' | 'wakeScope'>

function earliest(a: Wake, b: Wake): Wake {
  const wakeAt = Math.min(a.wakeAt ?? Number.POSITIVE_INFINITY, b.wakeAt ?? Number.POSITIVE_INFINITY)
  if (wakeAt === Number.POSITIVE_INFINITY) return {}
  const isFull = [a, b].some((wake) => wake.wakeAt === wakeAt && wake.wakeScope === 'full')
  return { wakeAt, wakeScope: isFull ? 'full' : 'changes' }
}
