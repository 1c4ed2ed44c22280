import { afterEach, describe, expect, it, vi } from 'vitest'
import { steadyScheduler, wallTime } from '../../src/steady-scheduler.ts'

const HOUR = 3_600_000

function stepTheClock(milliseconds: number): void {
  const real = Date.now
  vi.spyOn(Date, 'now').mockImplementation(() => real() + milliseconds)
}

afterEach(() => vi.restoreAllMocks())

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
