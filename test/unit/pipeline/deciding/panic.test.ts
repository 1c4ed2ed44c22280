import { describe, expect, it } from 'vitest'
import { panicSince } from '../../../../src/pipeline/deciding/panic.ts'
import { endpoint } from '../../../support/desired.ts'
import { backends, key } from '../makers.ts'
import { checked, Rig } from './rig.ts'

const four = { backends: backends(1, 2, 3, 4) }
const SORRY = '10.2.0.1:80'
const sorryServer = endpoint(SORRY)

describe('panic', () => {
  it('begins when the last member goes down, and serves those that were up within a minute', () => {
    const rig = new Rig(checked(four)).up(1, 2, 3, 4).down(1).wait(61_000).down(2).wait(30_000).down(3)
    expect(rig.weights).toEqual({ 1: 0, 2: 0, 3: 0, 4: 1 })
    expect(rig.mode).toBe('normal')
    expect(rig.down(4).weights).toEqual({ 1: 0, 2: 1, 3: 1, 4: 1 })
    expect(rig.mode).toBe('panic')
    expect(rig.reasons(4)).toEqual([
      'panic: too few are up, so it serves as it did before',
      'down: tcp refused',
      'service weight 1',
      'listed by static',
    ])
  })

  it('goes on with the same members, however long it takes', () => {
    const rig = new Rig(checked(four)).up(1, 2, 3, 4).down(1, 2, 3, 4)
    rig.writes = 0
    rig.wait(3_600_000).down(1, 2, 3, 4)
    expect(rig.weights).toEqual({ 1: 1, 2: 1, 3: 1, 4: 1 })
    expect(rig.writes).toBe(0)
  })

  it('serves all that ever were up when those of the last minute have left', () => {
    const rig = new Rig(checked(four)).up(1, 2).down(1).wait(61_000).down(2)
    expect(rig.weights).toMatchObject({ 1: 0, 2: 1 })
    rig.down(3, 4)
    expect(rig.weights).toEqual({ 1: 0, 2: 1, 3: 0, 4: 0 })
    expect(rig.configure(checked({ backends: backends(1, 3, 4) })).weights).toEqual({ 1: 1, 3: 0, 4: 0 })
  })

  it('ends when two are up', () => {
    const rig = new Rig(checked(four)).up(1, 2, 3, 4).down(1, 2, 3, 4).up(1)
    expect(rig.weights).toEqual({ 1: 1, 2: 1, 3: 1, 4: 1 })
    expect(rig.up(2).weights).toEqual({ 1: 1, 2: 1, 3: 0, 4: 0 })
    expect(rig.down(1).weights).toEqual({ 1: 0, 2: 1, 3: 0, 4: 0 })
  })

  it('takes nobody up who has long been down when one of those that it served is up again', () => {
    const rig = new Rig(checked({ backends: backends(1, 2) })).up(1, 2).down(2).wait(3_600_000).down(1)
    expect(rig.weights).toEqual({ 1: 1, 2: 0 })
    expect(rig.mode).toBe('panic')
    expect(rig.up(1).weights).toEqual({ 1: 1, 2: 0 })
    expect(rig.up(2).weights).toEqual({ 1: 1, 2: 1 })
    expect(rig.mode).toBe('normal')
  })

  it('ends when the only one is up', () => {
    const rig = new Rig(checked({ backends: backends(1) })).up(1).down(1)
    expect(rig.weights).toEqual({ 1: 1 })
    expect(rig.mode).toBe('panic')
    expect(rig.up(1).mode).toBe('normal')
  })

  it('is none in a pool that was never up', () => {
    const rig = new Rig(checked(four)).down(1, 2, 3, 4)
    expect(rig.weights).toEqual({ 1: 0, 2: 0, 3: 0, 4: 0 })
    expect(rig.mode).toBe('nobody')
  })

  it('removes nobody from a UDP service either', () => {
    const rig = new Rig(checked(four, { onDown: 'remove' })).up(1, 2, 3, 4).down(1, 2, 3, 4)
    expect(rig.weights).toEqual({ 1: 1, 2: 1, 3: 1, 4: 1 })
    expect(rig.cut).toEqual([])
  })

  it('may begin at a share of the pool', () => {
    const rig = new Rig(checked(four, { panic: { percent: 50 } })).up(1, 2, 3, 4).down(1, 2)
    expect(rig.weights).toEqual({ 1: 0, 2: 0, 3: 1, 4: 1 })
    expect(rig.down(3).weights).toEqual({ 1: 1, 2: 1, 3: 1, 4: 1 })
    expect(rig.up(1).weights).toEqual({ 1: 1, 2: 0, 3: 0, 4: 1 })
  })

  it('is not begun by members of which nothing is known yet', () => {
    const rig = new Rig(checked(four, { panic: { percent: 50 } })).up(1)
    expect(rig.mode).toBe('normal')
    expect(rig.down(2, 3).mode).toBe('panic')
  })

  it('may be off', () => {
    expect(new Rig(checked(four, { panic: 'off' })).up(1, 2, 3, 4).down(1, 2, 3, 4).mode).toBe('nobody')
  })

  it.each([
    // since, up, pool, ever up, sorry, percent: since
    [undefined, 1, 4, 4, false, 0, undefined],
    [undefined, 0, 4, 4, false, 0, 9],
    [undefined, 0, 4, 0, false, 0, undefined],
    [undefined, 0, 4, 4, true, 0, undefined],
    [5, 1, 4, 4, false, 0, 5],
    [5, 2, 4, 4, false, 0, undefined],
    [5, 1, 1, 1, false, 0, undefined],
    [undefined, 1, 4, 4, true, 50, 9],
    [undefined, 2, 4, 4, false, 50, undefined],
    [5, 0, 4, 4, true, 50, undefined],
  ] as const)(
    'since %s, %i up of %i (%i ever), sorry server %s, %i percent: %s',
    (before, up, pool, everUp, hasSorryServer, percent, since) => {
      expect(panicSince(before, { pool, up, everUp, hasSorryServer }, { percent }, 9)).toBe(since)
    },
  )
})

describe('a sorry server', () => {
  it('goes before panic, and leaves as soon as one serves', () => {
    const rig = new Rig(checked(four, { sorryServer })).up(1, 2, 3, 4).down(1, 2, 3, 4)
    expect(rig.mode).toBe('sorry')
    expect(rig.weights).toEqual({ 1: 0, 2: 0, 3: 0, 4: 0 })
    expect(rig.table.get(SORRY)).toBe(1)
    expect(rig.state.decided.service.destinations.get(endpointKey())?.reasons).toEqual(['sorry server: no backend serves'])
    expect(rig.up(1).table.has(SORRY)).toBe(false)
  })

  it('answers also where the members are drained or there are none, with or without checks', () => {
    const rig = new Rig({ ...checked(four, { sorryServer }), checks: [] })
    expect(rig.table.has(SORRY)).toBe(false)
    for (const number of [1, 2, 3, 4]) rig.word(number, { state: 'drain' })
    expect(rig.table.get(SORRY)).toBe(1)
    expect(new Rig({ ...checked({}, { sorryServer }), checks: [] }).table.get(SORRY)).toBe(1)
  })

  it('may be a member', () => {
    const own = backends(1, 2)
    const one = own.get(key(1))
    if (one === undefined) throw new Error('no member')
    const rig = new Rig(checked({ backends: own }, { sorryServer: { address: one.address, port: one.port } })).up(1, 2)
    expect(rig.down(1, 2).weights).toEqual({ 1: 1, 2: 0 })
    expect(rig.up(2).weights).toEqual({ 1: 0, 2: 1 })
    expect(rig.reasons(1)[0]).toBe('down: tcp refused')
  })

  it('leaves with the key that names it', () => {
    const rig = new Rig(checked(four, { sorryServer })).up(1, 2).down(1, 2, 3, 4)
    expect(rig.configure(checked(four)).table.has(SORRY)).toBe(false)
    expect(rig.weights).toEqual({ 1: 1, 2: 1, 3: 0, 4: 0 })
  })
})

function endpointKey() {
  return SORRY as ReturnType<typeof key>
}
