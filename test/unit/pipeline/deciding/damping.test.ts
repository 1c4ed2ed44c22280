import { describe, expect, it } from 'vitest'
import type { Health } from '../../../../src/model/probe-result.ts'
import { countFalls, type FlapsOfPool, isDamped } from '../../../../src/pipeline/deciding/damping.ts'
import { backends, key } from '../makers.ts'
import { checked, Rig } from './rig.ts'

const believed = () => false

/** The flaps of one member that fell at these moments, and was up again at once. */
function fallsAt(moments: readonly number[], damping: Parameters<typeof countFalls>[2] = { halfLife: 60_000 }) {
  let flaps: FlapsOfPool = new Map()
  const found = (health: Health, now: number) => {
    flaps = countFalls(flaps, new Map([[key(1), { health, since: now, turns: 0 }]]), damping, believed, now)
  }
  found('up', 0)
  for (const moment of moments) {
    found('down', moment)
    found('up', moment)
  }
  return flaps.get(key(1))
}

describe('the penalty', () => {
  it('is that of RFC 2439: three falls within a short time are too many, two are not', () => {
    expect(fallsAt([1_000, 2_000])?.quietAt).toBeUndefined()
    expect(fallsAt([1_000, 2_000, 3_000])?.penalty).toBeCloseTo(1000 * (1 + 2 ** (-1 / 60) + 2 ** (-2 / 60)))
    expect(isDamped(fallsAt([1_000, 2_000, 3_000]), 3_000)).toBe(true)
  })

  it('is forgiven by half in each half-life', () => {
    expect(fallsAt([1_000, 61_000])?.penalty).toBeCloseTo(1_500)
    expect(fallsAt([0, 60_000, 120_000])?.quietAt).toBeUndefined()
    const flaps = fallsAt([0, 0, 0])
    expect(flaps?.quietAt).toBeCloseTo(60_000 * Math.log2(3_000 / 750))
    expect(isDamped(flaps, 119_999)).toBe(true)
    expect(isDamped(flaps, 120_000)).toBe(false)
  })

  it('has a ceiling: after four half-lives of quiet everybody is back', () => {
    const flaps = fallsAt(Array.from({ length: 10_000 }, (_, index) => index))
    expect(flaps?.quietAt).toBeCloseTo(9_999 + 240_000)
  })

  it('counts no first word, and nothing where it is off', () => {
    let flaps = countFalls(
      new Map(),
      new Map([[key(1), { health: 'unknown', since: 0, turns: 0 }]]),
      { halfLife: 1 },
      believed,
      0,
    )
    flaps = countFalls(flaps, new Map([[key(1), { health: 'down', since: 0, turns: 1 }]]), { halfLife: 1 }, believed, 0)
    expect(flaps.get(key(1))?.penalty).toBe(0)
    expect(fallsAt([1, 2, 3, 4], 'off')).toBeUndefined()
  })
})

describe('a failure that is held', () => {
  const all = [1, 2, 3, 4, 5, 6]
  const [, ...most] = all
  const everybody = { 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1 }

  it('is no fall: whom the fault of a question did not take out while it lasted is not taken out when it is over', () => {
    const rig = new Rig(checked({ backends: backends(...all) })).up(...all).wait(120_000)
    for (let fall = 0; fall < 6; fall++) {
      rig.sick(...most)
      expect(rig.weights).toEqual(everybody)
      rig.wait(5_000).up(...most)
      expect(rig.weights).toEqual(everybody)
      rig.wait(5_000)
    }
    expect(rig.writes).toBe(all.length)
  })

  it('is one where it was let go meanwhile', () => {
    const rig = new Rig(checked({ backends: backends(...all) })).up(...all).wait(120_000)
    for (let fall = 0; fall < 3; fall++) {
      rig.sick(...most).wait(5_000)
      rig
        .down(2)
        .wait(5_000)
        .up(...most)
        .wait(5_000)
    }
    expect(rig.weights).toEqual({ ...everybody, 2: 0 })
    expect(rig.reasons(2)[0]).toBe('damped: it fell too often within a short time')
  })

  it('takes nothing from what the falls before it cost', () => {
    const rig = new Rig(checked({ backends: backends(...all) })).up(...all).wait(120_000)
    for (let fall = 0; fall < 2; fall++) rig.down(2).wait(1_000).up(2).wait(1_000)
    rig
      .sick(...most)
      .wait(1_000)
      .up(...most)
    expect(rig.weights).toEqual(everybody)
    rig.down(2).wait(1_000).up(2)
    expect(rig.weights).toEqual({ ...everybody, 2: 0 })
  })
})

describe('a member that flaps', () => {
  const two = { backends: backends(1, 2) }

  it('every second for ten minutes costs a handful of writes, and is back after minutes of quiet', () => {
    const rig = new Rig(checked(two)).up(1, 2)
    rig.writes = 0
    for (let second = 0; second < 300; second++) rig.down(1).wait(1_000).up(1).wait(1_000)
    expect(rig.writes).toBeLessThanOrEqual(5)
    expect(rig.weights).toEqual({ 1: 0, 2: 1 })
    expect(rig.reasons(1)[0]).toBe('damped: it fell too often within a short time')
    rig.wait(240_000)
    expect(rig.weights).toEqual({ 1: 1, 2: 1 })
    expect(rig.writes).toBeLessThanOrEqual(6)
  })

  it('costs no more where it answers wrongly, and does not begin to serve because it fails', () => {
    const rig = new Rig(checked({ backends: backends(1, 2, 3) })).up(1, 2, 3).wait(120_000)
    rig.writes = 0
    const wrong = { failure: 'wrong-answer', message: 'http said 500' } as const
    for (let second = 0; second < 300; second++) {
      // The others are asked as soon as it fails, and answer rightly.
      rig.found('down', [1], { ...wrong, siblingsDue: true })
      if (second > 5) expect(rig.weights).toEqual({ 1: 0, 2: 1, 3: 1 })
      rig.wait(50).found('down', [1], wrong).wait(950).up(1).wait(1_000)
    }
    expect(rig.writes).toBeLessThanOrEqual(5)
    expect(rig.state.pool.ejections.held.size).toBe(0)
  })

  it('serves when nobody else is up', () => {
    const rig = new Rig(checked(two)).up(1, 2)
    for (let turn = 0; turn < 5; turn++) rig.down(1).up(1)
    expect(rig.weights).toEqual({ 1: 0, 2: 1 })
    expect(rig.down(2).weights).toEqual({ 1: 1, 2: 0 })
  })

  it('alone in its pool never leaves it', () => {
    const rig = new Rig(checked({ backends: backends(1) })).up(1)
    rig.writes = 0
    for (let second = 0; second < 100; second++) rig.down(1).wait(1_000).up(1).wait(1_000)
    expect(rig.writes).toBe(0)
    expect(rig.weights).toEqual({ 1: 1 })
  })
})
