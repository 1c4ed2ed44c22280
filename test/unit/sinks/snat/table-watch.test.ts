import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { TableWatch } from '../../../../src/sinks/snat/table-watch.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A table that takes so many milliseconds to be looked at, and the moments at which that begins. */
function watched(takes: number) {
  const began = performance.now()
  const looks: number[] = []
  let tell: (certainty: 'changed' | 'perhaps') => void = () => {}
  let isListened = false
  const watch = new TableWatch(async () => {
    looks.push(performance.now() - began)
    await new Promise((resolve) => setTimeout(resolve, takes))
  })
  watch.follow({
    onChange: (listener) => {
      tell = listener
      isListened = true
      return () => {
        isListened = false
      }
    },
  })
  return { watch, looks, tell: (certainty: 'changed' | 'perhaps') => tell(certainty), isListened: () => isListened }
}

const elapse = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds)

describe('a table that is watched', () => {
  it('is looked at at once when it was changed, and a little later when it may have been', async () => {
    const { looks, tell } = watched(10)
    tell('changed')
    await elapse(5_000)
    tell('perhaps')
    tell('perhaps')
    await elapse(5_000)
    expect(looks).toEqual([0, 5_050])
  })

  it('is looked at once more for what was heard meanwhile', async () => {
    const { looks, tell } = watched(100)
    tell('changed')
    await elapse(50)
    tell('perhaps')
    tell('changed')
    await elapse(10_000)
    expect(looks).toEqual([0, 200])
  })

  it('is looked at soon again for what is changed next, certain or not', async () => {
    const { looks, tell } = watched(1_000)
    for (const certainty of ['perhaps', 'perhaps', 'changed'] as const) {
      tell(certainty)
      await elapse(1_100)
    }
    await elapse(20_000)
    expect(looks).toEqual([50, 2_050, 4_050])
  })

  it.each(['changed', 'perhaps'] as const)('takes a sixth of the time where others never stop: %s', async (certainty) => {
    const { looks, tell } = watched(100)
    for (let moment = 0; moment < 60_000; moment += 20) {
      tell(certainty)
      await elapse(20)
    }
    expect(looks.length).toBeGreaterThan(90)
    expect(looks.length).toBeLessThan(110)
    const busy = looks.length
    await elapse(60_000)
    tell('changed')
    await elapse(0)
    expect(looks.at(-1)).toBe(120_000)
    expect(looks.length).toBeLessThanOrEqual(busy + 2)
  })

  it('is left alone once nobody follows it', async () => {
    const { watch, looks, tell, isListened } = watched(100)
    tell('changed')
    await elapse(10)
    tell('changed')
    watch.follow(undefined)
    await elapse(10_000)
    expect([looks, isListened()]).toEqual([[0], false])
  })
})
