import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Errand, Probe } from '../../../../src/health/probe.ts'
import type { StartedThread, ThreadListener } from '../../../../src/health/threads/probe-thread.ts'
import { ProbeThreads, type ThreadEnd } from '../../../../src/health/threads/probe-threads.ts'
import { sharedNow } from '../../../../src/health/threads/shared-now.ts'
import { END, type Order, type Question } from '../../../../src/health/threads/words.ts'
import type { ProbeResult } from '../../../../src/model/probe-result.ts'
import type { ProbeKind } from '../../../../src/model/probe-spec.ts'
import { endpoint } from '../../../support/desired.ts'

beforeEach(() => vi.useFakeTimers({ now: 0 }))
afterEach(() => vi.useRealTimers())

const TCP: ProbeKind = { kind: 'tcp' }
const target = (number: number) => endpoint(`10.0.1.${number}:80`)
const REFUSED: ProbeResult = { outcome: 'failed', failure: 'refused', message: 'x refuses connections' }
/** Microtasks are over. */
const turn = () => vi.advanceTimersByTimeAsync(0)
const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds)

/** A thread that does what the test says. */
class Scripted implements StartedThread {
  readonly orders: Order[] = []
  readonly listener: ThreadListener
  isKilled = false

  constructor(listener: ThreadListener) {
    this.listener = listener
  }

  post(order: Order): void {
    this.orders.push(order)
    // It has nothing to do before it ends.
    if (order === END) queueMicrotask(() => this.listener.ended('itself'))
  }

  kill(): void {
    this.isKilled = true
    queueMicrotask(() => this.listener.ended('itself'))
  }

  get questions(): readonly Question[] {
    return this.orders.flatMap((order) => (order === END ? [] : order.asked))
  }

  get ended(): readonly number[] {
    return this.orders.flatMap((order) => (order === END ? [] : order.ended))
  }

  /** Who was asked, by the last part of his address. */
  get asked(): number[] {
    return this.questions.map(([, , , { address }]) => Number(address.split('.').at(-1)))
  }

  pass(...slots: number[]): void {
    this.listener.answered({ passed: slots.flatMap((slot) => [slot, sharedNow(), 1]), others: [] })
  }
}

/** As whoever runs checks has it: the deadline is handed over. */
class Signal extends EventTarget {
  aborted = false
  readonly told: [waited: number, took: number][] = []

  handOver(): Errand {
    return { left: 1_000, asked: (...times) => void this.told.push(times) }
  }

  abort(): void {
    this.aborted = true
    this.dispatchEvent(new Event('abort'))
  }
}

function crew(count: number, canStart = () => true) {
  const threads: Scripted[] = []
  const ends: ThreadEnd[] = []
  const counts: number[] = []
  const here: number[] = []
  const answers: [number, ProbeResult][] = []
  const all = new ProbeThreads({
    count,
    start: (listener) => {
      if (!canStart()) throw Object.assign(new Error('no thread'), { code: 'ERR_WORKER_INIT_FAILED' })
      const thread = new Scripted(listener)
      threads.push(thread)
      return thread
    },
    probeFor:
      (_, { address }): Probe =>
      async () => {
        here.push(Number(address.split('.').at(-1)))
        return { outcome: 'passed' }
      },
    onCount: (ready) => counts.push(ready),
    onEnd: (end) => ends.push(end),
  })
  onTestFinished(() => all[Symbol.asyncDispose]())
  const ask = (number: number, kind = TCP) => {
    const signal = new Signal()
    void all
      .probeFor(
        kind,
        target(number),
      )(signal)
      .then((result) => answers.push([number, result]))
    return signal
  }
  const readyAll = () => {
    for (const { listener } of threads) listener.ready()
  }
  const thread = (index: number) => threads[index] ?? expect.unreachable(`there is no thread ${index}`)
  return { all, threads, thread, ends, counts, here, answers, ask, readyAll }
}

const PASSED: ProbeResult = { outcome: 'passed' }

describe('threads that ask', () => {
  it('have the questions of one turn in one message, each thread the same number, and every kind once', async () => {
    const { ask, thread, readyAll, answers } = crew(2)
    readyAll()
    for (let number = 1; number <= 6; number++) ask(number)
    await turn()
    expect([thread(0).orders, thread(1).orders].map(({ length }) => length)).toEqual([1, 1])
    expect([thread(0).asked, thread(1).asked]).toEqual([
      [1, 3, 5],
      [2, 4, 6],
    ])
    expect(thread(0).orders[0]).toMatchObject({ kinds: [[1, TCP]], forgotten: [], ended: [] })
    thread(0).pass(0, 1, 2)
    thread(1).listener.answered({ passed: [], others: [[1, sharedNow(), 7, REFUSED]] })
    await turn()
    expect(answers).toEqual([
      [1, PASSED],
      [3, PASSED],
      [5, PASSED],
      [4, REFUSED],
    ])
    ask(7)
    ask(8, { kind: 'agent' })
    await turn()
    expect(thread(0).orders[1]).toMatchObject({
      kinds: [[2, { kind: 'agent' }]],
      asked: [
        [expect.any(Number), 1, 1_000, target(7)],
        [expect.any(Number), 2, 1_000, target(8)],
      ],
    })
  })

  it('tell how long a question waited before it was asked, and how long the answer took', async () => {
    const { ask, thread, readyAll } = crew(1)
    readyAll()
    const signal = ask(1)
    await turn()
    const askedAt = sharedNow()
    await pass(250)
    thread(0).listener.answered({ passed: [0, askedAt + 200, 42], others: [] })
    await turn()
    expect(signal.told).toEqual([[expect.closeTo(200, -1), 42]])
  })

  it('hear that an answer is not wanted any more, once', async () => {
    const { ask, thread, readyAll, answers } = crew(1)
    readyAll()
    const [first, second] = [ask(1), ask(2)]
    await turn()
    second.abort()
    await turn()
    expect(thread(0).ended).toEqual([1])
    thread(0).pass(0, 1)
    await turn()
    first.abort()
    await turn()
    expect(thread(0).ended).toEqual([1])
    expect(answers).toHaveLength(2)
  })

  it('leave programs to this one', async () => {
    const { ask, thread, here } = crew(1)
    ask(9, { kind: 'exec', command: ['/bin/true'], dynamic: false })
    await turn()
    expect([here, thread(0).orders]).toEqual([[9], []])
  })

  it('leave the questions to this one until the first of them is ready, and then wait for no other', async () => {
    const { ask, thread, here, answers } = crew(2)
    ask(1)
    await pass(10)
    expect([here, answers]).toEqual([[1], [[1, PASSED]]])
    thread(1).listener.ready()
    for (const number of [2, 3]) ask(number)
    await turn()
    expect([here, thread(0).asked, thread(1).asked]).toEqual([[1], [], [2, 3]])
  })
})

describe('a thread that dies', () => {
  it('is replaced at once, and what it was asking is asked again, but for what nobody wants any more', async () => {
    const { ask, thread, threads, readyAll, answers, ends, counts } = crew(2)
    readyAll()
    await pass(2_000)
    const signals = [1, 2, 3, 4, 5].map((number) => ask(number))
    await turn()
    signals[4]?.abort()
    thread(0).listener.ended('TypeError at talk')
    await turn()
    expect(ends).toEqual([{ why: 'TypeError at talk', cannotStart: false, again: 3 }])
    expect(threads).toHaveLength(3)
    expect(thread(1).asked).toEqual([2, 4, 1, 3])
    expect(answers).toEqual([[5, { outcome: 'unknown', message: expect.any(String) }]])
    thread(2).listener.ready()
    thread(1).pass(0, 1, 2, 3)
    await turn()
    expect(answers.slice(1)).toEqual([2, 4, 1, 3].map((number) => [number, PASSED]))
    expect(counts).toEqual([0, 1, 2, 1, 2])
  })

  it('takes nobody down: a question that two have died of is given up, and tells nothing', async () => {
    const { ask, thread, readyAll, answers } = crew(2)
    readyAll()
    await pass(2_000)
    ask(1)
    await turn()
    thread(0).listener.ended('itself')
    await turn()
    expect(answers).toEqual([])
    thread(1).listener.ended('itself')
    await turn()
    expect(answers).toEqual([
      [1, { outcome: 'unknown', message: '2 threads have ended while they asked 10.0.1.1:80; report it' }],
    ])
  })

  it('soon after its start is replaced a second later, and questions wait for that', async () => {
    const { ask, thread, threads, readyAll, here } = crew(1)
    readyAll()
    ask(1)
    await turn()
    thread(0).listener.ended('itself')
    ask(2)
    await pass(900)
    expect([threads.length, here]).toEqual([1, []])
    await pass(200)
    expect(thread(1).asked).toEqual([1, 2])
  })

  it('before it was ready leaves its questions to this thread, and is tried again later', async () => {
    const { all, ask, thread, threads, here, answers, ends, readyAll } = crew(1)
    readyAll()
    await pass(2_000)
    // Of a thread that comes after others the questions wait.
    thread(0).listener.ended('itself')
    ask(1)
    await turn()
    thread(1).listener.ended('ERR_WORKER_INIT_FAILED')
    ask(2)
    await pass(10)
    expect(here).toEqual([1, 2])
    expect(answers).toEqual([
      [1, PASSED],
      [2, PASSED],
    ])
    expect(ends[1]).toEqual({ why: 'ERR_WORKER_INIT_FAILED', cannotStart: true, again: 1 })
    await pass(30_000)
    expect(threads).toHaveLength(3)
    thread(2).listener.ready()
    ask(3)
    await turn()
    expect([here, thread(2).asked]).toEqual([[1, 2], [3]])
    await all[Symbol.asyncDispose]()
  })

  it('is one that answers nothing any more, and never one of a thread that only stood still itself', async () => {
    const { ask, thread, readyAll, ends } = crew(2)
    readyAll()
    ask(1)
    ask(2)
    await pass(9_900)
    // Its answer is late, and comes.
    thread(0).pass(0)
    await pass(6_000)
    expect([thread(0).isKilled, thread(1).isKilled]).toEqual([false, true])
    expect(ends).toMatchObject([{ why: 'us, because it answered nothing any more', again: 1 }])
    expect(thread(0).asked).toEqual([1, 2])
  })
})

describe('where no thread can be started', () => {
  it('this one asks until one can', async () => {
    let can = false
    const { ask, threads, thread, here, ends } = crew(2, () => can)
    ask(1)
    await pass(10)
    expect(here).toEqual([1])
    expect(ends).toEqual([{ why: 'ERR_WORKER_INIT_FAILED', cannotStart: true, again: 0 }])
    can = true
    await pass(30_000)
    expect(threads).toHaveLength(2)
    thread(1).listener.ready()
    ask(2)
    await turn()
    expect([here, thread(1).asked]).toEqual([[1], [2]])
  })
})

describe('the number of threads', () => {
  it('becomes another one while questions are under way', async () => {
    const { all, ask, thread, threads, readyAll, answers, here, ends } = crew(3)
    readyAll()
    for (const number of [1, 2, 3]) ask(number)
    await turn()
    all.resize(1)
    await turn()
    expect(threads.map(({ orders }) => orders.includes(END))).toEqual([false, false, false])
    ask(4)
    await turn()
    expect(threads.map(({ asked }) => asked)).toEqual([[1, 4], [2], [3]])
    thread(1).pass(0)
    thread(2).pass(0)
    await turn()
    expect(threads.map(({ orders }) => orders.includes(END))).toEqual([false, true, true])
    all.resize(0)
    ask(5)
    await turn()
    thread(0).pass(0, 1)
    await turn()
    expect(here).toEqual([5])
    expect(answers.map(([number]) => number)).toEqual([2, 3, 5, 1, 4])
    expect(ends).toEqual([])
    all.resize(2)
    readyAll()
    ask(6)
    await turn()
    expect([threads.length, thread(3).asked]).toEqual([5, [6]])
  })

  it('is none in the end, and nothing is heard of what was under way', async () => {
    const { all, ask, threads, readyAll, answers, ends } = crew(2)
    readyAll()
    ask(1)
    await turn()
    await all[Symbol.asyncDispose]()
    expect(threads.map(({ orders }) => orders.at(-1))).toEqual([END, END])
    expect([answers, ends]).toEqual([[[1, { outcome: 'unknown', message: expect.any(String) }]], []])
    expect(vi.getTimerCount()).toBe(0)
  })
})
