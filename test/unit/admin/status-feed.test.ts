import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { MAXIMUM_CLIENTS, StatusFeed } from '../../../src/admin/status-feed.ts'
import type { StatusReport } from '../../../src/admin/status-schema.ts'
import { backendReport, serviceReport, statusReport } from './reports.ts'

/** A response that takes nothing while it is full. */
class Reader extends EventEmitter {
  readonly told: string[] = []
  writableNeedDrain = false
  /** Whether it takes one thing at a time. */
  slow = false
  destroyed = false

  write(message: Buffer): boolean {
    this.told.push(message.toString())
    this.writableNeedDrain ||= this.slow
    return !this.writableNeedDrain
  }

  /** Takes what it was given. */
  take(): void {
    this.writableNeedDrain = false
    this.emit('drain')
  }

  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }

  get events(): (string | undefined)[] {
    return this.told.map((text) => /^event: (\w+)/.exec(text)?.[1])
  }
}

const response = (reader: Reader) => reader as unknown as ServerResponse

let report: StatusReport
let looks = 0
let feed: StatusFeed

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  report = statusReport([])
  looks = 0
  feed = new StatusFeed({
    collect: async () => {
      looks += 1
      return report
    },
  })
})

afterEach(() => {
  feed[Symbol.dispose]()
  vi.useRealTimers()
})

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds)
const turn = (weight: number) => {
  report = statusReport([serviceReport('web', [backendReport('10.0.0.1:80', { weight })])])
}

describe('looking', () => {
  test('nobody looks: nothing is collected', async () => {
    await pass(60_000)
    expect(looks).toBe(0)
  })

  test('once a second for all who look together', async () => {
    const readers = Array.from({ length: 5 }, () => new Reader())
    for (const reader of readers) feed.follow(response(reader))
    await pass(0)
    await feed.report()
    expect(looks).toBe(1)
    await pass(10_000)
    expect(looks).toBe(11)
    for (const reader of readers) reader.destroy()
    await pass(60_000)
    expect(looks).toBeLessThanOrEqual(12)
  })

  test('a look that takes long is followed by a longer rest', async () => {
    feed[Symbol.dispose]()
    feed = new StatusFeed({
      collect: async () => {
        looks += 1
        await new Promise((resolve) => setTimeout(resolve, 200))
        return report
      },
    })
    feed.follow(response(new Reader()))
    await pass(1_900)
    expect(looks).toBe(1)
    await pass(1_500)
    expect(looks).toBe(2)
  })

  test('what was seen is forgotten when nobody asks any more', async () => {
    feed[Symbol.dispose]()
    const forget = vi.fn()
    feed = new StatusFeed({ collect: async () => report, forget })
    await feed.report()
    await pass(60_000)
    expect(forget).toHaveBeenCalledTimes(1)
  })

  test('a look that fails is an error for who asks, and the next one may succeed', async () => {
    feed[Symbol.dispose]()
    let fails = true
    feed = new StatusFeed({ collect: async () => (fails ? Promise.reject(new Error('a defect')) : report) })
    const reader = new Reader()
    feed.follow(response(reader))
    await expect(feed.report()).rejects.toThrow('a defect')
    fails = false
    await pass(5_000)
    expect(reader.events[0]).toBe('status')
  })
})

describe('telling', () => {
  test('the whole at first, then what became different, and nothing where nothing did', async () => {
    const reader = new Reader()
    feed.follow(response(reader))
    await pass(0)
    expect(reader.events).toEqual(['status'])
    await pass(4_000)
    expect(reader.told).toHaveLength(1)
    turn(5)
    await pass(1_000)
    turn(6)
    await pass(1_000)
    expect(reader.events).toEqual(['status', 'delta', 'delta'])
    const [whole, first, second] = reader.told.map((text) => JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? ''))
    expect(first.from).toBe(whole.revision)
    expect(second.from).toBe(first.revision)
    expect(second.services[0].backends).toEqual([{ backend: '10.0.0.1:80', set: { weight: 6 } }])
  })

  test('a sign of life where nothing happens', async () => {
    const reader = new Reader()
    feed.follow(response(reader))
    await pass(6_000)
    expect(reader.told.slice(1)).toEqual(['event: alive\ndata: {}\n\n'])
  })

  test('who comes later gets the whole as it is then, and the others go on', async () => {
    const early = new Reader()
    feed.follow(response(early))
    await pass(1_500)
    turn(5)
    const late = new Reader()
    feed.follow(response(late))
    await pass(2_000)
    expect(early.events).toEqual(['status', 'delta'])
    expect(late.events[0]).toBe('status')
    turn(6)
    await pass(1_000)
    expect(late.events.at(-1)).toBe('delta')
    const last = (reader: Reader) => reader.told.at(-1)
    expect(last(late)).toBe(last(early))
  })

  test('who does not read is passed over, and told the newest state when it does', async () => {
    const reader = new Reader()
    feed.follow(response(reader))
    await pass(0)
    reader.writableNeedDrain = true
    for (const weight of [2, 3, 4, 5]) {
      turn(weight)
      await pass(1_000)
    }
    expect(reader.told).toHaveLength(1)
    reader.writableNeedDrain = false
    await pass(1_000)
    expect(reader.events).toEqual(['status', 'status'])
    expect(reader.told[1]).toContain('"weight":5')
  })

  test('who reads nothing for ten seconds is let go', async () => {
    const reader = new Reader()
    feed.follow(response(reader))
    await pass(0)
    reader.writableNeedDrain = true
    await pass(9_500)
    expect(reader.destroyed).toBe(false)
    await pass(2_500)
    expect(reader.destroyed).toBe(true)
  })

  test('who reads slowly is not who reads nothing: a large report is taken in pieces', async () => {
    report = statusReport([serviceReport('web', [backendReport('10.0.0.1:80', { reasons: ['x'.repeat(2 << 20)] })])])
    const reader = new Reader()
    reader.slow = true
    feed.follow(response(reader))
    await pass(0)
    // 64 kB each eight seconds, for minutes.
    for (let taken = 1; taken < 32; taken++) {
      expect(reader.told).toHaveLength(taken)
      await pass(8_000)
      reader.take()
    }
    expect(reader.destroyed).toBe(false)
    reader.slow = false
    reader.take()
    const [whole = ''] = reader.told.join('').split('\n\n')
    expect(JSON.parse(/^event: status\ndata: (.*)$/.exec(whole)?.[1] ?? '').services[0].backends[0].reasons[0]).toHaveLength(
      2 << 20,
    )
    turn(5)
    await pass(1_000)
    expect(reader.events.at(-1)).toBe('status')
    reader.slow = true
    turn(6)
    await pass(30_000)
    expect(reader.destroyed).toBe(true)
  })

  test('there is room for so many and no more, and again when one goes', () => {
    const counts: number[] = []
    feed[Symbol.dispose]()
    feed = new StatusFeed({ collect: async () => report, onClients: (count) => counts.push(count) })
    const readers = Array.from({ length: MAXIMUM_CLIENTS }, () => new Reader())
    for (const reader of readers) expect(feed.follow(response(reader))).toBe(true)
    expect(feed.follow(response(new Reader()))).toBe(false)
    readers[0]?.destroy()
    expect(feed.follow(response(new Reader()))).toBe(true)
    expect(counts.slice(-3)).toEqual([MAXIMUM_CLIENTS, MAXIMUM_CLIENTS - 1, MAXIMUM_CLIENTS])
  })
})
