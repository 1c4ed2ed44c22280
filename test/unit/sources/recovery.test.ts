import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Recovery, SCOUT_GAP } from '../../../src/sources/recovery.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

const never = new AbortController().signal

/** Starts waits and tells whose have ended, in order. */
function waits(recovery: Recovery, delays: Readonly<Record<string, number>>): string[] {
  const ended: string[] = []
  for (const [name, delay] of Object.entries(delays)) void recovery.wait(delay, never).then(() => ended.push(name))
  return ended
}

describe('recovery', () => {
  it('sends one at a time ahead of its time, who has waited longest first', async () => {
    const ended = waits(new Recovery(), { a: 30_000, b: 30_000, c: 30_000 })
    await vi.advanceTimersByTimeAsync(SCOUT_GAP)
    expect(ended).toEqual(['a'])
    await vi.advanceTimersByTimeAsync(SCOUT_GAP)
    expect(ended).toEqual(['a', 'b'])
  })

  it('wakes all when somebody has a good answer', async () => {
    const recovery = new Recovery()
    const ended = waits(recovery, { a: 30_000, b: 30_000 })
    recovery.wake()
    await vi.advanceTimersByTimeAsync(0)
    expect(ended).toEqual(['a', 'b'])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('lets a wait end by itself when its time is shorter', async () => {
    const ended = waits(new Recovery(), { a: 30_000, b: 100 })
    await vi.advanceTimersByTimeAsync(100)
    expect(ended).toEqual(['b'])
  })

  it('asks no more than twice a second however many fail', async () => {
    const recovery = new Recovery()
    let asked = 0
    const fail = async () => {
      for (;;) {
        await recovery.wait(30_000, never)
        asked += 1
      }
    }
    for (let i = 0; i < 50; i += 1) void fail()
    await vi.advanceTimersByTimeAsync(20_000)
    expect(asked).toBe(40)
  })

  it('ends without a timer left when it is aborted, before or meanwhile', async () => {
    const recovery = new Recovery()
    const ended = new AbortController()
    const waiting = expect(recovery.wait(30_000, ended.signal)).rejects.toThrow('enough')
    ended.abort(new Error('enough'))
    await waiting
    await expect(recovery.wait(30_000, ended.signal)).rejects.toThrow('enough')
    expect(vi.getTimerCount()).toBe(0)
  })
})
