import { Observable } from 'rxjs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Attempt, Recovery, SCOUT_GAP, SCOUTS } from '../../../src/sources/recovery.ts'

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

  it('asks no more than four times a second however many fail', async () => {
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
    expect(asked).toBe(80)
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

/** Questions that have no answer until the test gives one. */
class Questions {
  readonly all: { readonly by: string; readonly attempt: Attempt; answer: (outcome: string) => void }[] = []
  readonly outcomes: string[] = []
  readonly #recovery: Recovery
  #open = 0
  most = 0

  constructor(recovery: Recovery) {
    this.#recovery = recovery
  }

  get open(): number {
    return this.#open
  }

  ask(by: string) {
    const question = (attempt: Attempt) =>
      new Observable<string>((subscriber) => {
        this.all.push({ by, attempt, answer: (outcome) => subscriber.next(outcome) })
        this.#open += 1
        this.most = Math.max(this.most, this.#open)
        subscriber.add(() => {
          this.#open -= 1
        })
      })
    return this.#recovery.ask(question).subscribe((outcome) => this.outcomes.push(`${by} ${outcome}`))
  }

  attempts(by: string): Attempt[] {
    return this.all.filter((one) => one.by === by).map(({ attempt }) => attempt)
  }
}

describe('a question of somebody who fails', () => {
  it('is asked again beside the first, which may have been swallowed, and the first outcome counts', async () => {
    const questions = new Questions(new Recovery())
    questions.ask('a')
    await vi.advanceTimersByTimeAsync(SCOUT_GAP)
    expect(questions.attempts('a')).toEqual(['first', 'beside'])
    questions.all[1]?.answer('from the second')
    questions.all[0]?.answer('from the first')
    expect(questions.outcomes).toEqual(['a from the second'])
    expect(questions.open).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('keeps the first to its end, for a server that is only slow', async () => {
    const questions = new Questions(new Recovery())
    questions.ask('a')
    await vi.advanceTimersByTimeAsync(10_000)
    questions.all[0]?.answer('late')
    expect(questions.outcomes).toEqual(['a late'])
  })

  it('has few others beside it, however many hang and however long', async () => {
    const questions = new Questions(new Recovery())
    for (let number = 0; number < 50; number += 1) questions.ask(`${number}`)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(questions.all).toHaveLength(50 + 80)
    expect(questions.most).toBeLessThanOrEqual(50 + SCOUTS + 1)
    expect(questions.open).toBe(50 + SCOUTS)
  })

  it('is asked anew when another one had a good answer, once, and not when it has hardly been asked', async () => {
    const recovery = new Recovery()
    const questions = new Questions(recovery)
    questions.ask('a')
    await vi.advanceTimersByTimeAsync(SCOUT_GAP - 1)
    questions.ask('b')
    await vi.advanceTimersByTimeAsync(1)
    recovery.wake()
    expect(questions.attempts('a')).toEqual(['first', 'beside', 'anew'])
    expect(questions.attempts('b')).toEqual(['first'])
    expect(questions.open).toBe(2)
    recovery.wake()
    expect(questions.attempts('a')).toHaveLength(3)
  })

  it('ends with whoever asked it, and leaves no timer', async () => {
    const questions = new Questions(new Recovery())
    const asked = questions.ask('a')
    await vi.advanceTimersByTimeAsync(3 * SCOUT_GAP)
    asked.unsubscribe()
    expect(questions.open).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })
})
