import { asyncScheduler } from 'rxjs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { EndSignal } from '../../../../src/health/probe.ts'
import { Answering } from '../../../../src/health/threads/answering.ts'
import type { Answers, Question } from '../../../../src/health/threads/words.ts'
import type { ProbeResult } from '../../../../src/model/probe-result.ts'
import type { ProbeKind } from '../../../../src/model/probe-spec.ts'
import { endpoint } from '../../../support/desired.ts'

beforeEach(() => vi.useFakeTimers({ now: 0 }))
afterEach(() => vi.useRealTimers())

const TCP: ProbeKind = { kind: 'tcp' }
const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds)
const SILENT: ProbeResult = { outcome: 'failed', failure: 'no-answer', message: 'x is silent' }

/** Backends that answer after as many milliseconds as their port says; port 1 throws, port 2 does not even listen to the signal. */
function answering() {
  const posted: Answers[] = []
  let underWay = 0
  const all = new Answering({
    probeFor: (kind, { port }) => {
      if (kind.kind === 'agent') throw new Error('no such probe')
      return (signal: EndSignal) =>
        new Promise((resolve, reject) => {
          if (port === 1) return reject(new Error('a bug'))
          if (port === 2) return
          underWay += 1
          const end = (result: ProbeResult) => {
            underWay -= 1
            clearTimeout(timer)
            resolve(result)
          }
          const report = port === 30 ? { report: { weight: 3 } } : {}
          const timer = setTimeout(() => end({ outcome: 'passed', ...report }), port)
          signal.addEventListener('abort', () => end(SILENT))
        })
    },
    post: (answers) => posted.push(answers),
    scheduler: asyncScheduler,
  })
  const question = (slot: number, port: number, left = 1_000, kind = 1): Question => [
    slot,
    kind,
    left,
    endpoint(`10.0.1.1:${port}`),
  ]
  const hear = (asked: readonly Question[], more: Partial<Parameters<Answering['hear']>[0]> = {}) =>
    all.hear({ kinds: [], forgotten: [], asked, ended: [], ...more })
  const said = () =>
    posted.flatMap(({ passed, others }) => [
      ...Array.from({ length: passed.length / 3 }, (_, index) => ({ slot: passed[3 * index], took: passed[3 * index + 2] })),
      ...others.map(([slot, , took, result]) => ({ slot, took, result })),
    ])
  hear([], { kinds: [[1, TCP]] })
  return { all, posted, hear, question, said, underWay: () => underWay }
}

describe('a thread that answers', () => {
  it('gathers what comes together, and says bare successes by numbers alone', async () => {
    const { hear, question, posted } = answering()
    hear([question(0, 20), question(5, 20), question(7, 30), question(8, 300)])
    await pass(100)
    expect(posted).toEqual([
      { passed: [0, 0, 20, 5, 0, 20], others: [] },
      { passed: [], others: [[7, 0, 30, { outcome: 'passed', report: { weight: 3 } }]] },
    ])
    await pass(300)
    expect(posted[2]).toEqual({ passed: [8, 0, 300], others: [] })
  })

  it('keeps the deadlines, takes the word of the probe for it, and waits for nobody', async () => {
    const { hear, question, said, underWay } = answering()
    hear([question(0, 60_000, 500), question(1, 60_000, 200), question(2, 2, 300), question(3, 490, 500)])
    await pass(1_000)
    expect(said()).toEqual([
      { slot: 1, took: expect.closeTo(200, -1.5), result: SILENT },
      {
        slot: 2,
        took: expect.closeTo(300, -1.5),
        result: { outcome: 'failed', failure: 'timed-out', message: 'there is no answer after 300 ms' },
      },
      { slot: 3, took: 490 },
      { slot: 0, took: expect.closeTo(500, -1.5), result: SILENT },
    ])
    expect(underWay()).toBe(0)
  })

  it('ends what is not wanted any more, and answers it all the same', async () => {
    const { hear, question, said, underWay } = answering()
    hear([question(0, 60_000, Number.POSITIVE_INFINITY), question(1, 60_000)])
    await pass(50)
    hear([], { ended: [0, 9] })
    await pass(20)
    expect(underWay()).toBe(1)
    expect(said()).toEqual([{ slot: 0, took: expect.any(Number), result: SILENT }])
    // The slot is another question's then.
    hear([question(0, 10)])
    await pass(50)
    expect(said().at(-1)).toEqual({ slot: 0, took: 10 })
  })

  it('answers every question once, whatever is wrong with it', async () => {
    const { hear, question, said } = answering()
    hear([question(0, 1), question(1, 10, 1_000, 2), question(2, 10, 1_000, 3)], { kinds: [[2, { kind: 'agent' }]] })
    hear([], { forgotten: [1] })
    hear([question(3, 10)])
    await pass(100)
    const broken = (why: string) => ({
      outcome: 'unknown',
      message: `the probe failed by a fault of its own (${why}); report it`,
    })
    expect(said().map(({ slot, ...more }) => [slot, 'result' in more && more.result])).toEqual(
      expect.arrayContaining([
        [0, broken('a bug')],
        [1, broken('no such probe')],
        [2, broken('nobody said what is asked')],
        [3, broken('nobody said what is asked')],
      ]),
    )
    expect(said()).toHaveLength(4)
  })

  it('frees everything without a word when it is to end', async () => {
    const { all, hear, question, said, underWay } = answering()
    hear([question(0, 60_000), question(1, 500)])
    await pass(50)
    all.stop()
    expect(underWay()).toBe(0)
    await pass(2_000)
    expect(said()).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })
})
