import type { SourceEvent, SourceFailure } from '../model/source-event.ts'

/** The next word of a source after a failure: the last good set stays, and the same failure is not told twice. */
export function afterFailure(last: SourceEvent, failure: SourceFailure): SourceEvent {
  if (last.kind !== 'fresh' && last.failure?.message === failure.message) return last
  if (last.kind === 'pending') return { kind: 'pending', failure }
  return { kind: 'stale', set: { ...last.set, trust: 'stale' }, failure }
}
