import { describe, expect, it } from 'vitest'
import type { DestinationKey } from '../../../../src/model/destination.ts'
import { nextShareAt, shareAt } from '../../../../src/pipeline/deciding/slow-start.ts'
import { backends, key, spec } from '../makers.ts'
import { checked, Rig } from './rig.ts'

const slow = (numbers: number[], more: Parameters<typeof checked>[0] = {}) =>
  checked({ backends: backends(...numbers), weight: 3, ...more }, { slowStart: 9_000 })

describe('slow start', () => {
  it('carries all weights a hundred times at all times, and says so', () => {
    const rig = new Rig(slow([1, 2]))
    expect(rig.weights).toEqual({ 1: 300, 2: 300 })
    expect(rig.state.decided.service.weightScale).toBe(100)
    expect(new Rig(checked()).state.decided.service).not.toHaveProperty('weightScale')
  })

  it('takes one that comes back from a tenth to the whole in ten weights', () => {
    const rig = new Rig(slow([1, 2])).up(1, 2).wait(9_000).down(1)
    rig.writes = 0
    rig.up(1)
    const seen: (number | undefined)[] = []
    for (let second = 0; second <= 10; second++) {
      seen.push(rig.weights[1])
      if (second === 2) expect(rig.reasons(1)[0]).toBe('slow start: 30% of its weight')
      rig.wait(1_000)
    }
    expect(seen).toEqual([30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300])
    expect(rig.writes).toBe(10)
    expect(rig.reasons(1)).toEqual(['service weight 3', 'listed by static'])
    expect(rig.state.dueAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('begins anew when it falls meanwhile', () => {
    const rig = new Rig(slow([1, 2])).up(1, 2).wait(9_000).down(1).up(1).wait(5_000).down(1)
    expect(rig.weights[1]).toBe(0)
    expect(rig.up(1).weights[1]).toBe(30)
  })

  it('is for one that joins, after its first success', () => {
    const rig = new Rig(slow([1]))
      .up(1)
      .wait(9_000)
      .configure(slow([1, 2]))
    expect(rig.weights).toEqual({ 1: 300, 2: 0 })
    expect(rig.up(2).weights).toEqual({ 1: 300, 2: 30 })
  })

  it('is for one that joins a service without checks', () => {
    const rig = new Rig({ ...slow([1]), checks: [] }).wait(9_000).configure({ ...slow([1, 2]), checks: [] })
    expect(rig.weights).toEqual({ 1: 300, 2: 30 })
    expect(rig.wait(9_000).weights).toEqual({ 1: 300, 2: 300 })
  })

  it('is not at a cold start, after a restart, or in panic', () => {
    expect(new Rig(slow([1, 2])).up(1, 2).weights).toEqual({ 1: 300, 2: 300 })
    expect(new Rig(slow([1, 2])).down(1, 2).up(1).wait(8_999).up(2).weights).toEqual({ 1: 300, 2: 300 })
    expect(new Rig(slow([1, 2])).down(1, 2).up(1).wait(9_000).up(2).weights).toEqual({ 1: 300, 2: 30 })
    const held = new Map<DestinationKey, number>([
      [key(1), 300],
      [key(2), 270],
    ])
    expect(new Rig(slow([1, 2]), { kernel: { weights: held, absent: false } }).up(1, 2).weights).toEqual({ 1: 300, 2: 300 })
    const rig = new Rig(slow([1, 2])).up(1, 2).down(1, 2).up(1)
    expect(rig.weights).toEqual({ 1: 300, 2: 300 })
    expect(rig.up(2).weights).toEqual({ 1: 300, 2: 300 })
  })

  it('ends when the pool begins to panic', () => {
    const rig = new Rig(slow([1, 2])).up(1, 2).wait(9_000).down(1).up(1).wait(1_000).down(1, 2)
    expect(rig.weights).toEqual({ 1: 300, 2: 300 })
  })

  it('gives way to the weight of the operator', () => {
    const rig = new Rig(slow([1, 2]))
      .up(1, 2)
      .down(1)
      .up(1)
      .word(1, { weight: { weight: 2, at: 0 } })
    expect(rig.weights[1]).toBe(200)
  })

  it.each(['rr', 'sh', 'mh', 'lc'] as const)('is nothing under %s', (scheduler) => {
    const rig = new Rig(slow([1, 2], { scheduler })).up(1, 2).down(1).up(1)
    expect(rig.weights).toEqual({ 1: 3, 2: 3 })
  })

  it('goes no higher than the kernel does, and no lower than a weight', () => {
    const high = new Rig({ ...slow([1]), weight: 60_000 })
    expect(high.weights).toEqual({ 1: 65_500 })
    expect(high.reasons(1)).toContain('no more than weight 655 with slow_start')
    expect(new Rig(spec({ backends: backends(1), weight: 65_535 })).weights).toEqual({ 1: 65_535 })
  })

  it('is a tenth of what the kernel takes where a source states more', () => {
    const rig = new Rig({ ...slow([1, 2]), weight: 60_000 }).up(1, 2).wait(60_000).down(1).up(1)
    expect(rig.weights).toEqual({ 1: 6_550, 2: 65_500 })
  })
})

it('every moment of a ramp is a step, whatever its length', () => {
  for (const duration of [1_000, 9_000, 10_000, 30_000, 7, 123_457]) {
    const shares: number[] = []
    for (let now = 0; now < Number.POSITIVE_INFINITY; now = nextShareAt(0, duration, now)) shares.push(shareAt(0, duration, now))
    expect(shares).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 100])
    expect(shareAt(0, duration, duration)).toBe(100)
  }
})
