import { describe, expect, it } from 'vitest'
import type { SourceEvent, SourceFailure } from '../../../src/model/source-event.ts'
import { afterReading, confirmed } from '../../../src/sources/file.ts'
import { backend, backends } from '../pipeline/makers.ts'

const origin = 'file /lists/web.yaml'
const pending: SourceEvent = { kind: 'pending' }
const failure: SourceFailure = { code: 'SOURCE_INVALID', message: '/lists/web.yaml:3:1: half a list', at: 7 }

function list(at: number, ...entries: Parameters<typeof backends>) {
  return { ok: true, backends: backends(...entries), at } as const
}

const up = afterReading(pending, list(5, 1, 2), origin)
const out = afterReading(up, { ok: false, failure }, origin)

describe('what a file source says after one more look', () => {
  it('knows nothing, and says why, while the file has never been good', () => {
    expect(afterReading(pending, { ok: false, failure }, origin)).toEqual({ kind: 'pending', failure })
  })

  it('is fresh after a good look', () => {
    expect(up).toEqual({ kind: 'fresh', set: { backends: backends(1, 2), origin, trust: 'fresh', at: 5 } })
  })

  it('is confirmed by a look that found nothing new, unless it fails', () => {
    const again = confirmed(up, 9)
    expect(again.kind === 'fresh' && up.kind === 'fresh' && again.set.backends === up.set.backends).toBe(true)
    expect(again).toMatchObject({ set: { at: 9 } })
    expect(confirmed(out, 9)).toBe(out)
    expect(confirmed(pending, 9)).toBe(pending)
  })

  it('takes an empty list for an answer', () => {
    expect(afterReading(up, list(6), origin)).toMatchObject({ kind: 'fresh', set: { backends: new Map(), at: 6 } })
  })

  it('confirms an equal set with the same map and a later time', () => {
    const again = afterReading(up, list(6, 2, 1), origin)
    expect(again).toMatchObject({ kind: 'fresh', set: { at: 6 } })
    expect(again.kind === 'fresh' && up.kind === 'fresh' && again.set.backends === up.set.backends).toBe(true)
    expect(afterReading(up, list(6, backend(1, { weight: 2 }), 2), origin)).not.toBe(up)
  })

  it('keeps the last good set when the file is bad, and says why', () => {
    expect(out).toEqual({ kind: 'stale', set: { backends: backends(1, 2), origin, trust: 'stale', at: 5 }, failure })
  })

  it('says a failure once, another one again', () => {
    expect(afterReading(out, { ok: false, failure: { ...failure, at: 99 } }, origin)).toBe(out)
    const other = { ...failure, message: 'gone' }
    expect(afterReading(out, { ok: false, failure: other }, origin)).toMatchObject({
      kind: 'stale',
      failure: other,
      set: { at: 5 },
    })
    const never = afterReading(pending, { ok: false, failure }, origin)
    expect(afterReading(never, { ok: false, failure }, origin)).toBe(never)
  })

  it('is fresh again after an outage although the set is the same', () => {
    expect(afterReading(out, list(20, 1, 2), origin)).toEqual({
      kind: 'fresh',
      set: { backends: backends(1, 2), origin, trust: 'fresh', at: 20 },
    })
  })
})
