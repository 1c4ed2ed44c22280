import { asyncScheduler, Subject } from 'rxjs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { DesiredState } from '../../../src/model/desired-state.ts'
import type { PassScope } from '../../../src/pipeline/conflate.ts'
import type { DesiredUpdate } from '../../../src/pipeline/desired-update.ts'
import { conflate, type PassOutcome, type PassResult } from '../../../src/pipeline/wire.ts'

beforeEach(() => vi.useFakeTimers({ now: 0 }))
afterEach(() => vi.useRealTimers())

interface Pass {
  readonly desired: DesiredState
  readonly scope: PassScope
  readonly at: number
}

/** Passes that take `duration`; what they come to is the caller's. */
function bench(duration: number, outcome: (pass: Pass) => PassOutcome = () => ({}), givesWay = false) {
  const updates$ = new Subject<DesiredUpdate>()
  const resync$ = new Subject<void>()
  const passes: Pass[] = []
  const results: PassResult<PassOutcome>[] = []
  let running = 0
  let completed = false
  const reconcile = async (desired: DesiredState, scope: PassScope, now: number, signal: AbortSignal) => {
    expect(++running, 'passes never overlap').toBe(1)
    const pass = { desired, scope, at: now }
    passes.push(pass)
    await new Promise((resolve) => {
      setTimeout(resolve, duration)
      if (givesWay) signal.addEventListener('abort', resolve)
    })
    running--
    return givesWay && signal.aborted ? { gaveWay: true as const } : outcome(pass)
  }
  const subscription = updates$
    .pipe(conflate(reconcile, { resyncInterval: 30_000, resync$, scheduler: asyncScheduler }))
    .subscribe({ next: (result) => results.push(result), complete: () => (completed = true) })
  const send = (eventAt = Date.now()): DesiredState => {
    const desired: DesiredState = { services: new Map() }
    updates$.next({ desired, provenance: new Map(), eventAt })
    return desired
  }
  return { updates$, resync$, passes, results, subscription, send, isCompleted: () => completed }
}

describe('conflating passes', () => {
  it('makes few passes of many states, never two at once, and writes the newest last', async () => {
    const made = bench(30)
    let newest: DesiredState | undefined
    for (let state = 0; state < 1_000; state++) {
      newest = made.send()
      await vi.advanceTimersByTimeAsync(state % 20 === 0 ? 1 : 0)
    }
    await vi.advanceTimersByTimeAsync(1_000)
    expect(made.passes.length).toBeLessThanOrEqual(3)
    expect(made.passes.at(-1)?.desired).toBe(newest)
    expect(made.results).toHaveLength(made.passes.length)
  })

  it('gives back what became of a pass and how old its oldest event was', async () => {
    const made = bench(30)
    await vi.advanceTimersByTimeAsync(100)
    const desired = made.send(90)
    await vi.advanceTimersByTimeAsync(30)
    expect(made.results).toEqual([{ desired, scope: 'full', startedAt: 100, finishedAt: 130, eventAt: 90, ok: true, report: {} }])
  })

  it('resyncs every interval and when asked', async () => {
    const made = bench(10)
    made.send()
    await vi.advanceTimersByTimeAsync(1_000)
    made.send()
    await vi.advanceTimersByTimeAsync(31_000)
    made.resync$.next()
    await vi.advanceTimersByTimeAsync(100)
    expect(made.passes.map(({ scope, at }) => [scope, at])).toEqual([
      ['full', 0],
      ['changes', 1_000],
      ['full', 30_010],
      ['full', 32_000],
    ])
  })

  it('goes on after rejections, in full and with back-off, and reports each', async () => {
    let refusals = 3
    const made = bench(10, () => {
      if (refusals-- > 0) throw new Error('no kernel')
      return {}
    })
    made.send()
    await vi.advanceTimersByTimeAsync(20_000)
    expect(made.results.map(({ ok, startedAt, scope }) => [ok, startedAt, scope])).toEqual([
      [false, 0, 'full'],
      [false, 1_010, 'full'],
      [false, 3_020, 'full'],
      [true, 7_030, 'full'],
    ])
    expect(made.results[0]).toMatchObject({ error: new Error('no kernel') })
    expect(made.results[3]?.eventAt).toBe(0)
  })

  it('goes on after a reconcile that throws before it is asynchronous', async () => {
    const updates$ = new Subject<DesiredUpdate>()
    const results: boolean[] = []
    const throwing = () => {
      throw new Error('at once')
    }
    updates$
      .pipe(conflate(throwing, { resyncInterval: 30_000, scheduler: asyncScheduler }))
      .subscribe(({ ok }) => results.push(ok))
    updates$.next({ desired: { services: new Map() }, provenance: new Map(), eventAt: 0 })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(results).toEqual([false, false])
  })

  it('comes back when the report asks for it', async () => {
    const made = bench(10, ({ at }) => ({ ...(at < 5_000 && { wakeAt: at + 2_000 }) }))
    made.send()
    await vi.advanceTimersByTimeAsync(20_000)
    expect(made.passes.map(({ scope, at }) => [scope, at])).toEqual([
      ['full', 0],
      ['changes', 2_000],
      ['changes', 4_000],
      ['changes', 6_000],
    ])
  })

  it('comes back in the scope that the report asks for', async () => {
    const made = bench(10, ({ at }) => (at < 3_000 ? { wakeAt: at + 2_000, wakeScope: at === 0 ? 'changes' : 'full' } : {}))
    made.send()
    await vi.advanceTimersByTimeAsync(20_000)
    expect(made.passes.map(({ scope, at }) => [scope, at])).toEqual([
      ['full', 0],
      ['changes', 2_000],
      ['full', 4_000],
    ])
  })

  it('writes what has arrived before it completes', async () => {
    const made = bench(30)
    made.send()
    const newest = made.send()
    made.updates$.complete()
    await vi.advanceTimersByTimeAsync(29)
    expect(made.isCompleted()).toBe(false)
    await vi.advanceTimersByTimeAsync(31)
    expect(made.isCompleted()).toBe(true)
    expect(made.results.at(-1)?.desired).toBe(newest)
    await vi.advanceTimersByTimeAsync(100_000)
    expect(made.passes).toHaveLength(2)
  })

  it('starts nothing more when nobody listens', async () => {
    const made = bench(30)
    made.send()
    made.send()
    made.subscription.unsubscribe()
    await vi.advanceTimersByTimeAsync(100_000)
    expect(made.passes).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('passes that give way', () => {
  it('let a change through while everything is read, and nothing is told of them', async () => {
    const made = bench(200, () => ({}), true)
    made.send()
    await vi.advanceTimersByTimeAsync(1_000)
    made.resync$.next()
    await vi.advanceTimersByTimeAsync(50)
    const newest = made.send(1_040)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(made.passes.map(({ scope, at }) => [scope, at])).toEqual([
      ['full', 0],
      ['full', 1_000],
      ['changes', 1_050],
      ['full', 1_250],
    ])
    expect(made.results.map(({ scope, eventAt }) => [scope, eventAt])).toEqual([
      ['full', 0],
      ['changes', 1_040],
      ['full', undefined],
    ])
    expect(made.results.at(-1)?.desired).toBe(newest)
  })
})
