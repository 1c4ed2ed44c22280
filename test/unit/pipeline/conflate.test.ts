import { describe, expect, it } from 'vitest'
import type { DesiredState } from '../../../src/model/desired-state.ts'
import { conflateStep, NO_PASS_YET, type PassEvent, type PassState } from '../../../src/pipeline/conflate.ts'
import { WAKE, type Wake } from '../../../src/pipeline/step.ts'

const times = { resyncInterval: 30_000, spacing: 50, firstRetry: 1_000 }
const step = conflateStep(times)
const one: DesiredState = { services: new Map() }
const two: DesiredState = { services: new Map() }

function desired(state: DesiredState, eventAt = 0): PassEvent {
  return { kind: 'desired', desired: state, eventAt }
}

const done: PassEvent = { kind: 'done', wake: undefined }

/** Plays events and gives the answers to each. */
function play(events: readonly (readonly [number, PassEvent | Wake])[], from: PassState = NO_PASS_YET) {
  let state = from
  const answers = events.map(([now, event]) => {
    const result = step(state, event, now)
    state = result.state
    return { emit: result.emit, wakeAt: result.wakeAt }
  })
  return { state, answers, last: answers.at(-1) }
}

/** A full pass ran from 1,000 to 1,010. */
const { state: idle } = play([
  [1_000, desired(one, 990)],
  [1_010, done],
])

describe('timing the passes', () => {
  it('does nothing before the first desired state', () => {
    expect(play([[0, { kind: 'resync' }]]).last).toEqual({ emit: undefined, wakeAt: undefined })
  })

  it('makes the first pass a full one, at once', () => {
    const { last } = play([[1_000, desired(one, 990)]])
    expect(last?.emit).toEqual({ kind: 'start', desired: one, scope: 'full', startedAt: 1_000, eventAt: 990 })
  })

  it('never starts a pass while one runs, and then writes the newest state with the oldest event', () => {
    const { answers } = play(
      [
        [2_000, desired(one, 2_000)],
        [2_010, desired(two, 2_005)],
        [2_020, desired(one, 2_019)],
        [2_030, { kind: 'resync' }],
        [2_100, done],
      ],
      idle,
    )
    expect(answers.slice(1, 4).map(({ emit }) => emit)).toEqual([undefined, undefined, undefined])
    expect(answers[4]?.emit).toEqual({ kind: 'start', desired: one, scope: 'full', startedAt: 2_100, eventAt: 2_005 })
  })

  it('writes only changes for a new state', () => {
    expect(play([[2_000, desired(two, 1_999)]], idle).last?.emit).toMatchObject({ scope: 'changes', eventAt: 1_999 })
  })

  describe('while paused', () => {
    const pause: PassEvent = { kind: 'pause', paused: true }
    const resume: PassEvent = { kind: 'pause', paused: false }

    it('begins no pass for news, for a resync or for time, and asks for no wake', () => {
      const { answers } = play(
        [
          [2_000, pause],
          [2_010, desired(two)],
          [2_020, { kind: 'resync' }],
          [99_000, WAKE],
        ],
        idle,
      )
      for (const answer of answers) expect(answer).toEqual({ emit: undefined, wakeAt: undefined })
    })

    it('a pass that runs ends as ever, and the first one afterwards is full, and its latency is nobody’s', () => {
      const { answers } = play(
        [
          [2_000, desired(one, 1_999)],
          [2_010, pause],
          [2_020, desired(two, 2_015)],
          [2_030, done],
          [9_000, desired(one, 9_000)],
          [10_000, resume],
        ],
        idle,
      )
      expect(answers.slice(1, 5).map(({ emit }) => emit)).toEqual([undefined, undefined, undefined, undefined])
      expect(answers[5]?.emit).toEqual({ kind: 'start', desired: one, scope: 'full', startedAt: 10_000 })
    })

    it('the end comes at once, and what is unwritten stays so', () => {
      const { last } = play(
        [
          [2_000, pause],
          [2_010, desired(two)],
          [2_020, { kind: 'closing' }],
        ],
        idle,
      )
      expect(last?.emit).toEqual({ kind: 'finish' })
    })

    it('said where nothing was paused, resume asks for nothing', () => {
      expect(play([[2_000, resume]], idle).last).toEqual({ emit: undefined, wakeAt: 31_010 })
    })
  })

  it('keeps a distance between passes', () => {
    const { answers } = play(
      [
        [2_000, desired(one)],
        [2_001, done],
        [2_002, desired(two)],
        [2_050, WAKE],
      ],
      idle,
    )
    expect(answers[2]).toEqual({ emit: undefined, wakeAt: 2_050 })
    expect(answers[3]?.emit).toMatchObject({ desired: two, startedAt: 2_050 })
  })

  it('makes a full pass every resync interval, counted from the end of the last one', () => {
    const { answers } = play(
      [
        [5_000, desired(two)],
        [5_001, done],
        [31_010, WAKE],
        [31_020, done],
      ],
      idle,
    )
    expect(answers[1]?.wakeAt).toBe(31_010)
    expect(answers[2]?.emit).toMatchObject({ scope: 'full' })
    expect(answers[2]?.emit).not.toHaveProperty('eventAt')
    expect(answers[3]?.wakeAt).toBe(61_020)
  })

  it('makes a full pass when asked', () => {
    expect(play([[5_000, { kind: 'resync' }]], idle).last?.emit).toMatchObject({ scope: 'full' })
  })

  it('comes back when the sink asks for it', () => {
    const { answers } = play(
      [
        [2_000, desired(two)],
        [2_001, { kind: 'done', wake: { at: 4_000, scope: 'changes' } }],
        [4_000, WAKE],
      ],
      idle,
    )
    expect(answers[1]?.wakeAt).toBe(4_000)
    expect(answers[2]?.emit).toMatchObject({ scope: 'changes', startedAt: 4_000 })
  })

  it('cannot be made to spin by a sink that asks for the past', () => {
    const { last } = play(
      [
        [2_000, desired(two)],
        [2_001, { kind: 'done', wake: { at: 0, scope: 'changes' } }],
      ],
      idle,
    )
    expect(last).toEqual({ emit: undefined, wakeAt: 2_050 })
  })

  it('reads everything where the sink wants that, to try failed objects again', () => {
    const { last } = play(
      [
        [2_000, desired(two)],
        [2_001, { kind: 'done', wake: { at: 3_000, scope: 'full' } }],
        [3_000, WAKE],
      ],
      idle,
    )
    expect(last?.emit).toMatchObject({ scope: 'full' })
  })

  it('writes news at once although an object failed', () => {
    const { last } = play(
      [
        [2_000, desired(two)],
        [2_001, { kind: 'done', wake: { at: 9_000, scope: 'full' } }],
        [2_500, desired(one)],
      ],
      idle,
    )
    expect(last?.emit).toMatchObject({ scope: 'changes', desired: one })
  })
})

describe('a pass that could do nothing', () => {
  it('is tried again with growing distance, up to the resync interval', () => {
    let { state, last } = play([[2_000, desired(two, 1_990)]], idle)
    const delays: number[] = []
    let now = 2_000
    for (let tries = 0; tries < 8; tries++) {
      ;({ state, last } = play([[now, { kind: 'rejected' }]], state))
      delays.push((last?.wakeAt ?? 0) - now)
      now = last?.wakeAt ?? 0
      ;({ state, last } = play([[now, WAKE]], state))
      expect(last?.emit).toMatchObject({ scope: 'full', eventAt: 1_990 })
    }
    expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
  })

  it('is tried again at once, in full, when news comes', () => {
    const { last } = play(
      [
        [2_000, desired(two, 1_990)],
        [2_010, { kind: 'rejected' }],
        [2_500, desired(one, 2_490)],
      ],
      idle,
    )
    expect(last?.emit).toMatchObject({ scope: 'full', desired: one, eventAt: 1_990 })
  })

  it('starts from the first distance after a success', () => {
    const { last } = play(
      [
        [2_000, desired(two)],
        [2_010, { kind: 'rejected' }],
        [3_010, WAKE],
        [3_020, done],
        [9_000, desired(one)],
        [9_010, { kind: 'rejected' }],
      ],
      idle,
    )
    expect(last?.wakeAt).toBe(10_010)
  })
})

describe('closing', () => {
  it('finishes at once when nothing is unwritten', () => {
    expect(play([[2_000, { kind: 'closing' }]], idle).last?.emit).toEqual({ kind: 'finish' })
  })

  it('lets the running pass end and writes what came meanwhile, without waiting', () => {
    const { answers } = play(
      [
        [2_000, desired(one)],
        [2_001, desired(two)],
        [2_002, { kind: 'closing' }],
        [2_003, done],
        [2_004, done],
      ],
      idle,
    )
    expect(answers[2]).toEqual({ emit: undefined, wakeAt: undefined })
    expect(answers[3]?.emit).toMatchObject({ kind: 'start', desired: two })
    expect(answers[4]?.emit).toEqual({ kind: 'finish' })
  })

  it('does not wait for a kernel that refuses', () => {
    const { last } = play(
      [
        [2_000, desired(one)],
        [2_001, { kind: 'closing' }],
        [2_003, { kind: 'rejected' }],
      ],
      idle,
    )
    expect(last?.emit).toEqual({ kind: 'finish' })
  })
})

describe('a full pass that runs while something else comes', () => {
  const GAVE_WAY: PassEvent = { kind: 'gave-way' }

  it('is asked to give way; then the change is written at once, and everything is read after it', () => {
    const { answers } = play(
      [
        [31_010, WAKE],
        [31_020, desired(two, 31_015)],
        [31_025, GAVE_WAY],
        [31_030, done],
        [31_080, WAKE],
        [31_200, done],
      ],
      idle,
    )
    expect(answers[0]?.emit).toMatchObject({ kind: 'start', scope: 'full' })
    expect(answers[1]?.emit).toEqual({ kind: 'give-way' })
    expect(answers[2]?.emit).toEqual({ kind: 'start', desired: two, scope: 'changes', startedAt: 31_025, eventAt: 31_015 })
    expect(answers[3]).toEqual({ emit: undefined, wakeAt: 31_075 })
    expect(answers[4]?.emit).toMatchObject({ kind: 'start', scope: 'full', desired: two })
    expect(answers[5]).toEqual({ emit: undefined, wakeAt: 61_200 })
  })

  it('gives way as often as changes come, for a second: then it is made, and what comes waits for its end', () => {
    const { answers } = play(
      [
        [31_010, WAKE],
        [31_020, desired(two)],
        [31_025, GAVE_WAY],
        [31_030, done],
        [31_080, WAKE],
        [31_900, desired(one)],
        [31_905, GAVE_WAY],
        [31_910, done],
        [31_960, WAKE],
        [32_020, desired(two)],
        [32_100, done],
        [32_140, done],
        [62_200, WAKE],
        [62_210, desired(one)],
      ],
      idle,
    )
    expect(answers[5]?.emit, 'once more').toEqual({ kind: 'give-way' })
    expect(answers[8]?.emit).toMatchObject({ scope: 'full' })
    expect(answers[9]?.emit, 'a second is over').toBeUndefined()
    expect(answers[10]?.emit).toMatchObject({ scope: 'changes', desired: two })
    expect(answers[12]?.emit).toMatchObject({ scope: 'full' })
    expect(answers[13]?.emit, 'the next one may again').toEqual({ kind: 'give-way' })
  })

  it('is asked once only, and goes on as usual where it did not give way', () => {
    const { answers } = play(
      [
        [31_010, WAKE],
        [31_020, desired(two, 31_018)],
        [31_021, desired(one, 31_021)],
        [31_030, done],
        [31_060, WAKE],
      ],
      idle,
    )
    expect(answers[2]?.emit).toBeUndefined()
    expect(answers[4]?.emit).toMatchObject({ scope: 'changes', desired: one, eventAt: 31_018 })
  })

  it('is not asked where a pass could do nothing before: nobody knows what the kernel holds', () => {
    const { answers } = play(
      [
        [31_010, WAKE],
        [31_020, { kind: 'rejected' }],
        [32_020, WAKE],
        [32_030, desired(two)],
      ],
      idle,
    )
    expect(answers[2]?.emit).toMatchObject({ scope: 'full' })
    expect(answers[3]?.emit).toBeUndefined()
  })
})
