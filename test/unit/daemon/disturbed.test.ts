import { VirtualTimeScheduler } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { disturbedResync } from '../../../src/daemon/disturbed.ts'

/** The moments at which a full pass is asked for, when disturbances come at these moments. */
function asked(...moments: number[]): number[] {
  const scheduler = new VirtualTimeScheduler()
  let disturb = () => {}
  const result: number[] = []
  const onDisturbed = (listener: () => void) => {
    disturb = listener
    return () => {}
  }
  disturbedResync(onDisturbed, scheduler).subscribe(() => result.push(scheduler.now()))
  for (const moment of moments) scheduler.schedule(() => disturb(), moment)
  scheduler.flush()
  return result
}

const every = (period: number, count: number) => Array.from({ length: count }, (_, index) => index * period)

describe('a full pass is asked for', () => {
  test('soon after what others did, once for all of it', () => {
    expect(asked(0)).toEqual([100])
    expect(asked(0, 50, 120)).toEqual([220])
  })

  test('within half a second, although it goes on', () => {
    expect(asked(...every(20, 60))[0]).toBe(500)
  })

  test('each time, where times are far apart', () => {
    expect(asked(0, 2_000, 4_000)).toEqual([100, 2_100, 4_100])
  })

  test('more and more rarely where somebody never stops, and quickly again after a rest', () => {
    const storm = every(200, 5 * 600)
    const passes = asked(...storm, 700_000)
    expect(passes.filter((moment) => moment <= 600_000).length).toBeLessThanOrEqual(10 + 600_000 / 5_000 + 1)
    expect(passes.at(-1)).toBe(700_100)
  })

  test('also for the last one of a storm', () => {
    const passes = asked(...every(200, 5 * 60))
    expect(passes.at(-1)).toBeGreaterThan(59_800)
  })
})

test('who stops listening is told no more', () => {
  let ended = false
  const onDisturbed = () => () => {
    ended = true
  }
  disturbedResync(onDisturbed, new VirtualTimeScheduler()).subscribe().unsubscribe()
  expect(ended).toBe(true)
})
