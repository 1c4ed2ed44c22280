import { describe, expect, it } from 'vitest'
import { backend, backends } from '../makers.ts'
import { checked, Rig } from './rig.ts'

const DRAIN = { report: { wish: 'drain' } } as const

describe('one that asks to be let go while it waits behind a better priority', () => {
  const began = () =>
    new Rig(checked({ backends: backends(backend(1, { priority: 1 }), backend(2, { priority: 2 })) })).up(1, 2).wait(10_000)

  it('serves when it is the last, until somebody else has served for a while', () => {
    const rig = began().found('up', [2], DRAIN).wait(10_000).down(1)
    expect(rig.weights).toEqual({ 1: 0, 2: 1 })
    rig.up(1)
    expect(rig.weights).toEqual({ 1: 1 })
  })

  it('is let go by approval', () => {
    const rig = began().found('up', [2], DRAIN).down(1).approve()
    expect(rig.weights[2]).toBe(0)
  })

  it('is obeyed that asked before it was up', () => {
    const rig = new Rig(checked({ backends: backends(backend(1, { priority: 1 }), backend(2, { priority: 2 })) }))
    rig.up(1).found('up', [2], DRAIN).wait(10_000).down(1)
    expect(rig.weights[2]).toBe(0)
  })
})
