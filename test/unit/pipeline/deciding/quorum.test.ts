import { describe, expect, it } from 'vitest'
import { quorumOf } from '../../../../src/pipeline/deciding/quorum.ts'
import { sourceSaid } from '../../../../src/pipeline/service.ts'
import { backends, file, fresh, spec } from '../makers.ts'
import { checked, Rig } from './rig.ts'

const five = { backends: backends(1, 2, 3, 4, 5), weight: 2 }

describe('a quorum', () => {
  it('is lost below min less hysteresis and had again at min plus hysteresis', () => {
    const rig = new Rig(checked(five, { quorum: { by: 'count', min: 3, hysteresis: 1 } })).up(1, 2, 3, 4, 5)
    const start = rig.now
    expect(rig.state.pool.quorum).toMatchObject({ has: true, measure: 5, since: start })
    rig.wait(1_000).down(1, 2, 3)
    expect(rig.state.pool.quorum).toMatchObject({ has: true, measure: 2, since: start })
    rig.wait(1_000).down(4)
    expect(rig.state.pool.quorum).toMatchObject({ has: false, measure: 1, since: start + 2_000 })
    rig.wait(1_000).up(1, 2)
    expect(rig.state.pool.quorum).toMatchObject({ has: false, measure: 3 })
    expect(rig.up(3).state.pool.quorum).toMatchObject({ has: true, measure: 4, since: start + 3_000 })
  })

  it('counts weights or percent of the pool', () => {
    const byWeight = new Rig(checked(five, { quorum: { by: 'weight', min: 5, hysteresis: 0 } })).up(1, 2, 3).down(4, 5)
    expect(byWeight.state.pool.quorum).toMatchObject({ has: true, measure: 6 })
    const byPercent = new Rig(checked(five, { quorum: { by: 'percent', min: 50, hysteresis: 0 } })).up(1, 2).down(3, 4, 5)
    expect(byPercent.state.pool.quorum).toMatchObject({ has: false, measure: 40 })
  })

  it('does not count who serves in panic alone', () => {
    const rig = new Rig(checked(five, { quorum: { by: 'count', min: 1, hysteresis: 0 } })).up(1, 2, 3, 4, 5).down(1, 2, 3, 4, 5)
    expect(rig.mode).toBe('panic')
    expect(rig.state.pool.quorum).toMatchObject({ has: false, measure: 0 })
  })

  it('is known without checks too, and nowhere where none is asked for', () => {
    const rig = new Rig(spec({ ...five, policy: { ...spec().policy, quorum: { by: 'count', min: 1, hysteresis: 0 } } }))
    expect(rig.state.pool.quorum).toMatchObject({ has: true, measure: 5 })
    expect(new Rig(checked(five)).state.pool).not.toHaveProperty('quorum')
  })

  it('is not lost at a start before every source has spoken, and may be had by then', () => {
    const quorum = { by: 'count', min: 2, hysteresis: 0 } as const
    const waiting = checked({ backends: backends(1), sources: [file()] }, { quorum })
    const rig = new Rig(waiting)
    expect(rig.state.pool.quorum).toBeUndefined()
    rig.apply((state, now) => sourceSaid(state, 0, fresh([2, 3]), now))
    expect(rig.state.pool.quorum).toMatchObject({ has: true, measure: 3 })
    expect(rig.down(1, 2).state.pool.quorum).toMatchObject({ has: false, measure: 1 })
    const enough = new Rig({ ...waiting, backends: backends(1, 4) })
    expect(enough.state.pool.quorum).toMatchObject({ has: true })
    expect(enough.down(1).state.pool.quorum).toMatchObject({ has: false })
  })

  it('is lost at a start where all sources have spoken and name too few', () => {
    const rig = new Rig(checked({ sources: [file()] }, { quorum: { by: 'count', min: 2, hysteresis: 0 } }))
    rig.apply((state, now) => sourceSaid(state, 0, fresh([1]), now))
    expect(rig.state.pool.quorum).toMatchObject({ has: false, measure: 1 })
  })

  it('of nobody is none', () => {
    expect(
      quorumOf(undefined, { count: 0, weight: 0, pool: 0, complete: true }, { by: 'percent', min: 1, hysteresis: 0 }, 5),
    ).toMatchObject({
      has: false,
      measure: 0,
    })
  })
})
