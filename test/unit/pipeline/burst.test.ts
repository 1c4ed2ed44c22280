import { asyncScheduler, of, Subject } from 'rxjs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { DesiredState } from '../../../src/model/desired-state.ts'
import type { GuardSpec } from '../../../src/model/service-spec.ts'
import type { SourceEvent } from '../../../src/model/source-event.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { conflate, desiredState } from '../../../src/pipeline/wire.ts'
import { steadyScheduler } from '../../../src/steady-scheduler.ts'
import { backend, file, fresh, identity, key, numbers, spec, UNGUARDED } from './makers.ts'

beforeEach(() => vi.useFakeTimers({ now: 1_000_000 }))
afterEach(() => vi.useRealTimers())

/** Holds removals of the burst, again and again. */
const STRICT: GuardSpec = { maxRemoval: 1, window: 60_000, onEmpty: 'hold' }

describe('the whole road', () => {
  it.each([
    [1, UNGUARDED],
    [40, UNGUARDED],
    [1, STRICT],
    [40, STRICT],
  ])('makes at most two passes of 1,000 events within 50 ms when a pass takes %i ms under %o', async (duration, guard) => {
    const said$ = new Subject<SourceEvent>()
    const passes: DesiredState[] = []
    const reconcile = async (desired: DesiredState) => {
      passes.push(desired)
      await new Promise((resolve) => setTimeout(resolve, duration))
      return {}
    }
    const subscription = desiredState(of({ services: [spec({ sources: [file()], guard })] }), () => said$, {
      scheduler: asyncScheduler,
    })
      .pipe(conflate(reconcile, { resyncInterval: 3_600_000, scheduler: asyncScheduler }))
      .subscribe()
    said$.next(fresh([1, 2, 3]))
    await vi.advanceTimersByTimeAsync(10_000)
    const before = passes.length
    for (let event = 0; event < 1_000; event++) {
      said$.next(fresh([1, event % 3 === 0 ? 2 : 3, backend(4, { weight: event })]))
      if (event % 20 === 19) await vi.advanceTimersByTimeAsync(1)
    }
    await vi.advanceTimersByTimeAsync(60_000)
    subscription.unsubscribe()
    expect(passes.length - before).toBe(2)
    const last = passes.at(-1)?.services.get(serviceKey(identity()))?.destinations
    expect(numbers(last ?? [])).toEqual([key(1), key(2), key(4)])
    expect(last?.get(key(4))?.weight).toBe(999)
  })
})

describe('the steady clock', () => {
  it('follows the time that passes and not the wall clock', async () => {
    const before = steadyScheduler.now()
    vi.setSystemTime(0)
    let ranAt = 0
    steadyScheduler.schedule(() => {
      ranAt = steadyScheduler.now()
    }, 500)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(ranAt - before).toBeGreaterThanOrEqual(499)
    expect(steadyScheduler.now() - before).toBeLessThan(1_100)
  })
})
