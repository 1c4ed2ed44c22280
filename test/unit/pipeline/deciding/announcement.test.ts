import { describe, expect, it } from 'vitest'
import { kernelHeld } from '../../../../src/pipeline/deciding/kernel-known.ts'
import { sourceSaid } from '../../../../src/pipeline/service.ts'
import { backends, file, fresh, key, spec } from '../makers.ts'
import { checked, Rig } from './rig.ts'

const quorum = { by: 'count', min: 2, hysteresis: 0 } as const
const byQuorum = { announceWhen: 'quorum', hold: 10_000 } as const
const three = checked({ backends: backends(1, 2, 3), virtualAddress: byQuorum }, { quorum })

const announced = (rig: Rig) => rig.state.decided.service.virtualAddress?.announced

/** What the kernel held of the members, by number. */
function held(weights: Record<number, number>) {
  const { identity } = spec()
  const known = new Map(Object.entries(weights).map(([number, weight]) => [key(Number(number)), weight]))
  return {
    kernel: kernelHeld(
      { weights: new Map([['tcp/10.0.0.1:80' as never, known]]), expiresQuiescentTemplates: false },
      'tcp/10.0.0.1:80' as never,
    ),
    identity,
  }
}

describe('the address of a service', () => {
  it("is nobody's business unless it is asked for", () => {
    expect(new Rig(checked({ backends: backends(1) })).state.decided.service).not.toHaveProperty('virtualAddress')
  })

  it('is always there by default, whoever serves', () => {
    const always = new Rig(
      checked({ backends: backends(1), virtualAddress: { announceWhen: 'always', hold: 0, interface: 'eth1' } }),
    )
    expect(always.state.decided.service.virtualAddress).toEqual({ interface: 'eth1', announced: true })
    expect(always.up(1).wait(60_000).down(1).wait(60_000).state.decided.service.virtualAddress?.announced).toBe(true)
    expect(always.state.pool).not.toHaveProperty('announced')
  })

  it('is not there before members of a quorum were seen at work, although new ones get connections', () => {
    const rig = new Rig(three)
    expect(rig.state.pool.quorum).toMatchObject({ has: true })
    expect(announced(rig)).toBe('undecided')
    expect(announced(rig.wait(600_000))).toBe('undecided')
    expect(announced(rig.up(1))).toBe(true)
  })

  it('never was up: is never there', () => {
    const rig = new Rig(three).down(1, 2, 3)
    expect(announced(rig.wait(9_999))).toBe('undecided')
    expect(announced(rig.wait(1))).toBe(false)
    expect(announced(rig.wait(600_000))).toBe(false)
  })

  it('is taken away when the quorum has been lost for the hold time, and by time alone', () => {
    const rig = new Rig(three).up(1, 2, 3).down(1, 2)
    expect(rig.state.pool.quorum).toMatchObject({ has: false })
    expect(rig.state.dueAt).toBeLessThanOrEqual(rig.now + 10_000)
    const before = rig.wait(9_999).state.decided.service
    expect(before.virtualAddress).toEqual({ announced: true })
    expect(rig.wait(1).state.decided.service).toMatchObject({ virtualAddress: { announced: false } })
    expect(rig.state.decided.service.destinations).toBe(before.destinations)
    expect(announced(rig.up(1))).toBe(true)
  })

  it('stays through a short loss, and the next loss has a time of its own', () => {
    const rig = new Rig(three).up(1, 2, 3).down(1, 2).wait(9_000).up(1, 2)
    expect(announced(rig.wait(60_000))).toBe(true)
    expect(announced(rig.down(1, 2).wait(9_999))).toBe(true)
    expect(announced(rig.wait(1))).toBe(false)
  })

  it('comes back with the hysteresis of the quorum', () => {
    const wide = checked(
      { backends: backends(1, 2, 3, 4, 5), virtualAddress: byQuorum },
      { quorum: { by: 'count', min: 3, hysteresis: 1 } },
    )
    const rig = new Rig(wide).up(1, 2, 3, 4, 5).down(1, 2, 3, 4).wait(10_000)
    expect(announced(rig)).toBe(false)
    expect(announced(rig.up(1, 2))).toBe(false)
    expect(announced(rig.up(3))).toBe(true)
  })

  it('is not there in panic, which makes no quorum', () => {
    const rig = new Rig(three).up(1, 2, 3).down(1, 2, 3).wait(10_000)
    expect(rig.mode).toBe('panic')
    expect(announced(rig)).toBe(false)
  })

  it('stays as it is over a restart while sources are silent and probes have found nothing, whatever the weights', () => {
    const waiting = { ...three, backends: new Map(), sources: [file()] }
    for (const weights of [{ 1: 1, 2: 1 }, { 1: 0, 2: 0 }, {}]) {
      const rig = new Rig(waiting, held(weights)).wait(600_000)
      expect(announced(rig)).toBe('undecided')
      rig.apply((state, now) => sourceSaid(state, 0, fresh([1, 2]), now))
      expect(announced(rig)).toBe('undecided')
      expect(announced(rig.up(1, 2))).toBe(true)
    }
  })

  it('that was taken away does not come back over a restart with less than its quorum', () => {
    const rig = new Rig(three, held({ 1: 1, 2: 0, 3: 0 }))
    expect(rig.state.pool.quorum).toMatchObject({ has: false })
    expect(announced(rig.up(1).down(2, 3))).toBe('undecided')
    expect(announced(rig.wait(10_000))).toBe(false)
  })

  it('that was taken away does not come back because members serve in panic when the process starts', () => {
    const rig = new Rig(three, held({ 1: 1, 2: 1, 3: 1 }))
    expect(rig.state.pool.quorum).toMatchObject({ has: true })
    expect(announced(rig)).toBe('undecided')
    expect(announced(rig.down(1, 2, 3).wait(10_000))).toBe(false)
  })

  it('that is wanted by quorum from now on is there at once where the quorum is had', () => {
    const { virtualAddress: _, ...without } = three
    const rig = new Rig(without).up(1, 2)
    expect(announced(rig.configure(three))).toBe(true)
    expect(announced(rig.configure({ ...three, virtualAddress: { ...byQuorum, announceWhen: 'always' } }))).toBe(true)
  })

  it('of a pool that nobody probes hangs on how many there are', () => {
    const rig = new Rig(
      spec({
        backends: backends(1, 2),
        virtualAddress: byQuorum,
        policy: { ...spec().policy, quorum },
        debounce: { min: 0, max: 0 },
      }),
    )
    expect(announced(rig)).toBe(true)
    expect(announced(rig.configure({ ...rig.state.spec, backends: backends(1) }).wait(10_000))).toBe(false)
  })
})

describe('source NAT', () => {
  const range = { first: '10.0.0.9', last: '10.0.0.12' } as never

  it('goes into the desired state: masquerade, or a range', () => {
    expect(new Rig(spec({ fullNat: true })).state.decided.service.sourceNat).toBe('masquerade')
    expect(new Rig(spec({ fullNat: true, snatRange: range })).state.decided.service.sourceNat).toEqual(range)
    expect(new Rig(spec()).state.decided.service).not.toHaveProperty('sourceNat')
  })

  it('that is the same is the same service, and another one is another', () => {
    const rig = new Rig(spec({ fullNat: true, snatRange: range }))
    const { service } = rig.state.decided
    expect(
      rig.configure(spec({ fullNat: true, snatRange: { ...(range as object) } as never, hold: { snapshotMaxAge: 1 } })).state
        .decided.service,
    ).toBe(service)
    expect(rig.configure(spec({ fullNat: true })).state.decided.service).not.toBe(service)
  })
})
