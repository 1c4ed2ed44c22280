import { asyncScheduler, Subject } from 'rxjs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Check, type CheckResult, runChecks } from '../../../src/health/checks.ts'
import type { Probe } from '../../../src/health/probe.ts'
import type { ProbeResult } from '../../../src/model/probe-result.ts'

beforeEach(() => vi.useFakeTimers({ now: 0 }))
afterEach(() => vi.useRealTimers())

const PASSED: ProbeResult = { outcome: 'passed' }
const TIMED_OUT: ProbeResult = { outcome: 'failed', failure: 'timed-out', message: 'x does not answer in time' }

/** Answers after `delay`; says that it has timed out when it is aborted before. Counts how many are under way. */
class Scripted {
  underWay = 0
  most = 0
  readonly begun: number[] = []
  delay: number
  result: ProbeResult = PASSED

  constructor(delay: number) {
    this.delay = delay
  }

  readonly probe: Probe = (signal) =>
    new Promise((resolve) => {
      this.begun.push(Date.now())
      this.underWay++
      this.most = Math.max(this.most, this.underWay)
      const end = (result: ProbeResult) => {
        clearTimeout(timer)
        this.underWay--
        resolve(result)
      }
      const timer = setTimeout(() => end(this.result), this.delay)
      signal.addEventListener('abort', () => end(TIMED_OUT), { once: true })
    })
}

function check(probe: Probe, more: Partial<Check> = {}): Check {
  return { probe, interval: 1_000, timeout: 500, ...more }
}

function bench(limit = 100) {
  const checks$ = new Subject<ReadonlyMap<string, Check>>()
  const results: (CheckResult & { readonly at: number })[] = []
  let completed = false
  const subscription = checks$
    .pipe(runChecks({ limit, scheduler: asyncScheduler }))
    .subscribe({ next: (result) => results.push({ ...result, at: Date.now() }), complete: () => (completed = true) })
  const run = (checks: Record<string, Check>) => checks$.next(new Map(Object.entries(checks)))
  return { checks$, results, run, subscription, isCompleted: () => completed }
}

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds)

describe('running checks', () => {
  it('asks at once and then once in each interval, and tells every result', async () => {
    const made = bench()
    const scripted = new Scripted(20)
    made.run({ a: check(scripted.probe) })
    await pass(3_500)
    expect(scripted.begun).toEqual([0, 1_000, 2_000, 3_000])
    expect(made.results.map(({ key, at, result }) => [key, at, result])).toEqual(
      [20, 1_020, 2_020, 3_020].map((time) => ['a', time, PASSED]),
    )
  })

  it('ends a probe at its deadline and takes its own word for it', async () => {
    const made = bench()
    const scripted = new Scripted(60_000)
    made.run({ a: check(scripted.probe) })
    await pass(510)
    expect(scripted.underWay).toBe(0)
    expect(made.results).toEqual([{ key: 'a', result: TIMED_OUT, at: expect.closeTo(500, -1), took: expect.closeTo(500, -1) }])
  })

  it('does not wait for one that ignores its deadline, and hears nothing of it afterwards', async () => {
    const made = bench(1)
    let settle: (result: ProbeResult) => void = () => {}
    made.run({ deaf: check(() => new Promise((resolve) => (settle = resolve))) })
    await pass(510)
    expect(made.results).toEqual([
      {
        key: 'deaf',
        result: { outcome: 'failed', failure: 'timed-out', message: 'there is no answer after 500 ms' },
        at: expect.any(Number),
        took: expect.closeTo(500, -1),
      },
    ])
    settle(PASSED)
    await pass(100)
    expect(made.results).toHaveLength(1)
    await pass(1_000)
    expect(made.results).toHaveLength(2)
  })

  it('hears an answer that came in time when the process itself was too busy to read it', async () => {
    const made = bench()
    // Its answer and its deadline are due in the same turn, the deadline first, as timers come before sockets in a turn.
    const scripted = new Scripted(500)
    made.run({ a: check(scripted.probe) })
    await pass(520)
    expect(made.results.map(({ result }) => result)).toEqual([PASSED])
  })

  it('learns nothing from a probe that is broken', async () => {
    const made = bench()
    made.run({
      thrown: check(() => {
        throw new Error('a bug')
      }),
      rejected: check(() => Promise.reject(new Error('another'))),
    })
    await pass(1)
    expect(made.results.map(({ key, result }) => [key, result])).toEqual([
      ['thrown', { outcome: 'unknown', message: 'the probe failed by a fault of its own (a bug); report it' }],
      ['rejected', { outcome: 'unknown', message: 'the probe failed by a fault of its own (another); report it' }],
    ])
  })

  it('never has more under way than the limit, and comes round to all of them', async () => {
    const made = bench(7)
    const scripted = new Scripted(100)
    made.run(Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`check ${index}`, check(scripted.probe)])))
    await pass(900)
    expect(scripted.most).toBe(7)
    expect(new Set(made.results.map(({ key }) => key)).size).toBe(50)
  })

  it('begins those together whose moments are close to each other, at most 10 ms late', async () => {
    const late: number[] = []
    const times: number[] = []
    const probe: Probe = async () => {
      times.push(Date.now())
      return PASSED
    }
    const checks$ = new Subject<ReadonlyMap<string, Check>>()
    const options = { limit: 1_000, scheduler: asyncScheduler, onBegin: (milliseconds: number) => late.push(milliseconds) }
    const subscription = checks$.pipe(runChecks(options)).subscribe()
    checks$.next(new Map(Array.from({ length: 500 }, (_, index) => [`check ${index}`, check(probe)])))
    await pass(2_000)
    late.length = 0
    times.length = 0
    await pass(1_000)
    expect(times).toHaveLength(500)
    expect(new Set(times).size).toBeLessThanOrEqual(101)
    expect(Math.max(...late)).toBeLessThanOrEqual(11)
    subscription.unsubscribe()
  })

  it('keeps every deadline, whatever comes to its end before', async () => {
    const made = bench(1_000)
    const [quick, silent] = [new Scripted(1), new Scripted(60_000)]
    const many = Array.from({ length: 300 }, (_, index) => [`quick ${index}`, check(quick.probe, { timeout: 900 })] as const)
    const few = [100, 300, 700].map((timeout) => [`silent ${timeout}`, check(silent.probe, { timeout })] as const)
    made.run(Object.fromEntries([...many, ...few]))
    await pass(1_000)
    const late = made.results.filter(({ result }) => result !== PASSED)
    expect(late.map(({ key, at }) => [key, at])).toEqual(
      [100, 300, 700].map((timeout) => [`silent ${timeout}`, expect.closeTo(timeout, -1)]),
    )
  })

  it('tells how late each probe begins', async () => {
    const late: number[] = []
    const checks$ = new Subject<ReadonlyMap<string, Check>>()
    const options = { limit: 1, scheduler: asyncScheduler, onBegin: (milliseconds: number) => late.push(milliseconds) }
    const subscription = checks$.pipe(runChecks(options)).subscribe()
    const scripted = new Scripted(20)
    checks$.next(
      new Map([
        ['a', check(scripted.probe)],
        ['b', check(scripted.probe)],
      ]),
    )
    await pass(100)
    expect(late).toEqual([0, 20])
    subscription.unsubscribe()
  })

  it('leaves the deadline to whoever it is handed to, and adds what the question waited for there', async () => {
    const late: number[] = []
    const results: CheckResult[] = []
    const checks$ = new Subject<ReadonlyMap<string, Check>>()
    const options = { limit: 1, scheduler: asyncScheduler, onBegin: (milliseconds: number) => late.push(milliseconds) }
    const subscription = checks$.pipe(runChecks(options)).subscribe((result) => results.push(result))
    const left: (number | undefined)[] = []
    let isAborted = () => false
    const elsewhere: Probe = async (signal) => {
      isAborted = () => signal.aborted
      await new Promise((resolve) => setTimeout(resolve, 40))
      const errand = signal.handOver?.()
      left.push(errand?.left)
      await new Promise((resolve) => setTimeout(resolve, 2_000))
      errand?.asked(1_700, 300)
      return PASSED
    }
    checks$.next(new Map([['a', check(elsewhere, { interval: 60_000 })]]))
    await pass(1_900)
    expect([results, isAborted()]).toEqual([[], false])
    await pass(200)
    expect(results).toEqual([{ key: 'a', result: PASSED, took: 300 }])
    expect([left, late]).toEqual([[460], [1_700]])
    checks$.next(new Map([['b', check(elsewhere)]]))
    await pass(1_000)
    expect(isAborted()).toBe(false)
    checks$.next(new Map())
    expect(isAborted()).toBe(true)
    subscription.unsubscribe()
  })

  it('aborts what leaves and says nothing more of it; what stays goes on, with its new settings from the next time on', async () => {
    const made = bench()
    const [a, b, c] = [new Scripted(50), new Scripted(50), new Scripted(50)]
    made.run({ a: check(a.probe), b: check(b.probe) })
    await pass(10)
    made.run({ b: check(c.probe) })
    expect(a.underWay).toBe(0)
    expect(b.underWay).toBe(1)
    await pass(2_000)
    expect(made.results.map(({ key }) => key)).toEqual(['b', 'b', 'b'])
    expect([a, b, c].map(({ begun }) => begun.length)).toEqual([1, 1, 2])
  })

  it('may be told of other checks while it tells a result', async () => {
    const scripted = new Scripted(5)
    let told = 0
    const again = new Subject<ReadonlyMap<string, Check>>()
    again.pipe(runChecks({ limit: 1, scheduler: asyncScheduler })).subscribe(() => {
      told++
      again.next(new Map())
    })
    again.next(
      new Map([
        ['a', check(scripted.probe)],
        ['b', check(scripted.probe)],
      ]),
    )
    await pass(5_000)
    expect(told).toBe(1)
    expect(scripted.underWay).toBe(0)
  })

  it('frees all when nobody listens any more, and ends with its input', async () => {
    const made = bench()
    const scripted = new Scripted(50)
    made.run({ a: check(scripted.probe) })
    await pass(10)
    made.subscription.unsubscribe()
    expect(scripted.underWay).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
    const other = bench()
    other.run({ a: check(scripted.probe) })
    await pass(10)
    other.checks$.complete()
    expect(other.isCompleted()).toBe(true)
    expect(scripted.underWay).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })
})
