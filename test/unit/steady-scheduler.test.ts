import { Subject } from 'rxjs'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { runStep } from '../../src/pipeline/wire.ts'
import { scheduleAfter, steadyScheduler, wallTime } from '../../src/steady-scheduler.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

function stepTheClock(milliseconds: number): void {
  const real = Date.now
  vi.spyOn(Date, 'now').mockImplementation(() => real() + milliseconds)
}

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

describe('a moment of the steady clock on the wall', () => {
  it.each([HOUR, -HOUR])('is as long ago as it was, also after a step of %s ms', (step) => {
    const before = steadyScheduler.now()
    stepTheClock(step)
    const age = steadyScheduler.now() - before
    expect(Math.abs(Date.now() - Date.parse(wallTime(before)) - age)).toBeLessThan(1_000)
  })

  it('is shown alike whenever it is asked for', () => {
    expect(wallTime(1_000)).toBe('1970-01-01T00:00:01.000Z')
    stepTheClock(300)
    expect(wallTime(1_000)).toBe('1970-01-01T00:00:01.000Z')
  })
})

describe('a wait that is longer than a timer takes', () => {
  it('ends at its moment, once', () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    let ended = 0
    scheduleAfter(steadyScheduler, 60 * DAY, () => ended++)
    vi.advanceTimersByTime(60 * DAY - 1)
    expect(ended).toBe(0)
    vi.advanceTimersByTime(1)
    expect(ended).toBe(1)
    vi.advanceTimersByTime(60 * DAY)
    expect(ended).toBe(1)
  })

  it.each([0, 30 * DAY])('is given up after %s ms as any other', (passed) => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const timer = scheduleAfter(steadyScheduler, 60 * DAY, () => expect.unreachable())
    vi.advanceTimersByTime(passed)
    timer.unsubscribe()
    vi.advanceTimersByTime(90 * DAY)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('puts no step forward to its end', () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
    const began = steadyScheduler.now()
    const times: number[] = []
    const events$ = new Subject<string>()
    const step = (state: undefined, _: unknown, now: number) => ({ state, emit: now - began, wakeAt: began + 40 * DAY })
    const steps = events$.pipe(runStep(step, undefined, steadyScheduler)).subscribe((time) => times.push(time))
    events$.next('drain')
    vi.advanceTimersByTime(1_000)
    events$.next('something else')
    steps.unsubscribe()
    expect(times).toEqual([0, 1_000])
  })
})
