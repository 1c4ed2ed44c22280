import { afterEach, describe, expect, test, vi } from 'vitest'
import { OpenedLater, type Worked } from '../../../src/sinks/opened-later.ts'

const PATIENCE = 1_000
const DONE: Worked = { failed: [] }
const STUCK: Worked = { failed: [{ code: 'KERNEL_STUCK' }] }

afterEach(() => vi.useRealTimers())

class Sink {
  deaf: Error | undefined
  ends = 0

  onDisturbed(): () => void {
    if (this.deaf !== undefined) throw this.deaf
    return () => {}
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ends += 1
  }
}

function later() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const sink = new Sink()
  const ended: number[] = []
  let opened = 0
  const open = async (parts: AsyncDisposableStack) => {
    const number = ++opened
    parts.defer(() => void ended.push(number))
    return sink
  }
  const opening = new OpenedLater({ usedBefore: false, open }, { onDisturbed: () => {}, random: () => 0.5, patience: PATIENCE })
  let now = 1_000_000
  return {
    sink,
    opening,
    /** The tries to open of which everything was closed again. */
    ended,
    /** Work that takes so long: what came of it, and for how long a pass waited. */
    async takes(milliseconds: number, outcome: Worked, scope?: 'changes' | 'full') {
      now += 100_000
      const began = performance.now()
      const work = () => new Promise<Worked>((resolve) => setTimeout(() => resolve(outcome), milliseconds))
      const running = opening.run(now, work, scope).then((result) => ({ result, waited: performance.now() - began }))
      await vi.advanceTimersByTimeAsync(Math.max(milliseconds, 2 * PATIENCE))
      const { result, waited } = await running
      return { waited, standstill: 'standstill' in result ? result.standstill.code : undefined }
    },
    run(work: () => Promise<Worked>, scope?: 'changes' | 'full') {
      now += 100_000
      return opening.run(now, work, scope)
    },
  }
}

describe('for how long a pass waits', () => {
  test('longer where it took longer and went well, as usual again when it has not been slow for a while', async () => {
    const { takes } = later()
    expect(await takes(5_000, DONE)).toEqual({ waited: PATIENCE, standstill: 'KERNEL_STUCK' })
    expect(await takes(8_000, DONE)).toEqual({ waited: 8_000, standstill: undefined })
    await takes(10, DONE)
    expect(await takes(8_000, { failed: [{ code: 'KERNEL_REFUSED' }] })).toMatchObject({ standstill: undefined })
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(await takes(8_000, DONE)).toEqual({ waited: PATIENCE, standstill: 'KERNEL_STUCK' })
  })

  test('no longer where the kernel hung, also where it was seen to need more before', async () => {
    const { takes } = later()
    await takes(30_000, STUCK)
    expect(await takes(30_000, STUCK)).toEqual({ waited: PATIENCE, standstill: 'KERNEL_STUCK' })
    await takes(20_000, DONE)
    expect(await takes(30_000, STUCK)).toEqual({ waited: 30_000, standstill: undefined })
    expect(await takes(30_000, STUCK)).toEqual({ waited: PATIENCE, standstill: 'KERNEL_STUCK' })
  })
})

describe('what is to be read', () => {
  test('is everything at first and after something broke off, and otherwise what the pass reads', async () => {
    const { opening, run } = later()
    expect(opening.scopeOf('changes')).toBe('full')
    await run(async () => DONE)
    expect(opening.scopeOf('changes')).toBe('full')
    await run(async () => DONE, 'full')
    expect([opening.scopeOf('changes'), opening.scopeOf('full')]).toEqual(['changes', 'full'])
    await run(async () => DONE, 'full')
    await run(() => Promise.reject(new Error('no')))
    expect(opening.scopeOf('changes')).toBe('full')
  })

  test('is everything once more where somebody disturbed it while work was late', async () => {
    const { opening, takes } = later()
    expect(opening.scopeOf('full')).toBe('full')
    const late = takes(5_000, DONE, 'full')
    await vi.advanceTimersByTimeAsync(PATIENCE)
    expect(opening.scopeOf('full')).toBe('full')
    expect(await opening.run(2_000_000, async () => DONE, 'full')).toMatchObject({ standstill: { retryAt: 2_001_000 } })
    await late
    expect(opening.scopeOf('changes')).toBe('full')
    await takes(10, DONE, 'full')
    expect(opening.scopeOf('changes')).toBe('changes')
  })
})

describe('a sink that cannot be heard', () => {
  test('is closed, and opened anew at the next try', async () => {
    const { sink, opening, ended, run } = later()
    sink.deaf = new Error('EMFILE')
    expect(await run(async () => DONE)).toMatchObject({ standstill: { code: 'INTERNAL' } })
    expect([opening.isInUse, ended, sink.ends]).toEqual([false, [1], 1])
    sink.deaf = undefined
    expect(await run(async () => DONE)).toEqual({ done: DONE })
    await run(async () => DONE)
    expect([opening.isInUse, ended, sink.ends]).toEqual([true, [1], 1])
    await opening[Symbol.asyncDispose]()
    expect([ended, sink.ends]).toEqual([[1, 2], 2])
  })
})

test('is settled when late work has ended, and what the sink does by itself', async () => {
  const { sink, opening, run } = later()
  await opening.settled()
  const events: string[] = []
  Object.assign(sink, { settled: async () => void events.push('sink') })
  const running = run(() => new Promise((resolve) => setTimeout(() => resolve(DONE), 4 * PATIENCE)))
  await vi.advanceTimersByTimeAsync(PATIENCE)
  expect(await running).toMatchObject({ standstill: { code: 'KERNEL_STUCK' } })
  const settled = opening.settled().then(() => events.push('settled'))
  await vi.advanceTimersByTimeAsync(2 * PATIENCE)
  expect(events).toEqual([])
  await vi.advanceTimersByTimeAsync(PATIENCE)
  await settled
  expect(events).toEqual(['sink', 'settled'])
})
