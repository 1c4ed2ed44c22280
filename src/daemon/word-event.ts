import { formatDuration } from '../document/values/duration.ts'
import type { AdminState } from '../model/admin-state.ts'
import type { Changed } from '../model/operator-words.ts'
import type { StateEvent } from '../model/state-event.ts'
import { wallTime } from '../steady-scheduler.ts'

/** A word of the operator that is another one than before. `name`: of the service; `ranOut`: nobody took it back. */
export function wordEvent({ service, backend, before, after }: Changed, name: string, ranOut: boolean): StateEvent {
  return {
    kind: 'operator',
    service: name,
    vip: service,
    backend,
    from: wordText(before),
    to: wordText(after),
    cause: ranOut ? 'expired' : 'operator',
    reasons: after === undefined ? [] : wordReasons(after),
  }
}

/** `ready`, `drain`, `maintenance, weight 3`, `ready, weight 10 in 4 steps over 1m`. */
function wordText(word: AdminState | undefined): string {
  if (word === undefined) return 'ready'
  const { state, weight } = word
  if (weight === undefined) return state
  const ramp = weight.ramp === undefined ? '' : ` in ${weight.ramp.steps} steps over ${formatDuration(weight.ramp.duration)}`
  return `${state}, weight ${weight.weight}${ramp}`
}

function wordReasons({ state, reason, until, weight }: AdminState): string[] {
  return [
    ...(state === 'ready' ? [] : because(state, { reason, until })),
    ...(weight === undefined ? [] : because(`weight ${weight.weight}`, weight)),
  ]
}

/** `drain because new disk until 2026-01-01T00:00:00.000Z`; nothing where neither was said. */
function because(what: string, { reason, until }: { reason?: string | undefined; until?: number | undefined }): string[] {
  if (reason === undefined && until === undefined) return []
  const why = reason === undefined ? '' : ` because ${reason}`
  return [`${what}${why}${until === undefined ? '' : ` until ${wallTime(until)}`}`]
}
