import { describe, expect, it } from 'vitest'
import type { ServiceSpec } from '../../../../src/model/service-spec.ts'
import { underKernel } from '../../../../src/pipeline/service.ts'
import { backend, backends, identity, key, spec } from '../makers.ts'
import { checked, Rig } from './rig.ts'

const three = { backends: backends(1, 2, 3), weight: 5 }
const udp = { identity: { ...identity(), protocol: 'udp' } as ServiceSpec['identity'] }
const flags = { flag1: false, flag2: true, flag3: false }
const persistence = { timeout: 60, mask: 0xffffffff }

describe('a service without checks', () => {
  it('does not know of probes', () => {
    const rig = new Rig(spec(three)).down(1, 2, 3)
    expect(rig.weights).toEqual({ 1: 5, 2: 5, 3: 5 })
    expect(rig.state.pool.verdict.rulings.size).toBe(0)
  })
})

describe('a backend that fails its probes', () => {
  it.each<[string, Partial<ServiceSpec>]>([
    ['TCP', {}],
    ['SCTP', { identity: { ...identity(), protocol: 'sctp' } as ServiceSpec['identity'] }],
    ['a firewall mark', { identity: { kind: 'fwmark', fwmark: 7, family: 'ipv4' } }],
    ['sh, whose fallback is set where no flags are written', { scheduler: 'sh' }],
    ['persistence that is taken away', { persistence: 'none' }],
  ])('has weight 0 with %s: its connections live on', (_, more) => {
    const rig = new Rig(checked({ ...three, ...more })).up(1, 2, 3).down(1)
    expect(rig.weights).toEqual({ 1: 0, 2: 5, 3: 5 })
    expect(rig.reasons(1)).toEqual(['down: tcp refused', 'service weight 5', 'listed by static'])
    expect(rig.cut).toEqual([])
    expect(rig.up(1).weights).toEqual({ 1: 5, 2: 5, 3: 5 })
    expect(rig.reasons(1)).toEqual(['service weight 5', 'listed by static'])
  })

  it.each<[string, Partial<ServiceSpec>, string]>([
    ['UDP', udp, 'datagrams have no connection to keep'],
    ['one-packet scheduling', { onePacket: true }, 'datagrams have no connection to keep'],
    ['dh', { scheduler: 'dh' }, 'scheduler dh would refuse clients at weight 0'],
    ['sh without fallback', { scheduler: 'sh', flags }, 'scheduler sh would refuse clients at weight 0'],
    ['mh without fallback', { scheduler: 'mh', flags }, 'scheduler mh would refuse clients at weight 0'],
    ['persistence', { persistence }, 'persistent clients stay with weight 0 while expire_quiescent_template is 0'],
  ])('is removed at once with %s', (_, more, why) => {
    const rig = new Rig(checked({ ...three, ...more })).up(1, 2, 3).down(1)
    expect(rig.weights).toEqual({ 2: 5, 3: 5 })
    expect(rig.reasons(1).slice(0, 2)).toEqual([why, 'down: tcp refused'])
    expect(rig.cut).toEqual([key(1)])
    expect(rig.up(1).weights).toEqual({ 1: 5, 2: 5, 3: 5 })
    expect(rig.cut).toEqual([])
  })

  it('has weight 0 in a persistent service once the kernel expires quiescent templates', () => {
    const rig = new Rig(checked({ ...three, persistence })).up(1, 2, 3).down(1)
    rig.apply((state, now) => underKernel(state, true, now))
    expect(rig.weights).toEqual({ 1: 0, 2: 5, 3: 5 })
    expect(new Rig(checked({ ...three, persistence }), { expiresQuiescentTemplates: true }).up(1, 2).down(1).weights[1]).toBe(0)
  })

  it('does as on_down says', () => {
    expect(new Rig(checked(three, { onDown: 'remove' })).up(1, 2).down(1).weights).toEqual({ 2: 5, 3: 5 })
    expect(new Rig(checked({ ...three, ...udp }, { onDown: 'zero' })).up(1, 2).down(1).weights[1]).toBe(0)
    expect(new Rig(checked({ ...three, persistence }, { onDown: 'zero' })).up(1, 2).down(1).weights[1]).toBe(0)
  })

  it('makes way for the next priority, and takes its place again', () => {
    const tiers = backends(backend(1, { priority: 1 }), backend(2, { priority: 2 }))
    const rig = new Rig(checked({ backends: tiers })).up(1, 2)
    expect(rig.weights).toEqual({ 1: 1 })
    expect(rig.down(1).weights).toEqual({ 1: 0, 2: 1 })
    expect(rig.up(1).weights).toEqual({ 1: 1 })
  })
})

describe('what the operator says', () => {
  it('drain: weight 0, whatever the probes find', () => {
    const rig = new Rig(checked(three)).up(1, 2, 3).word(1, { state: 'drain', reason: 'new disk' })
    expect(rig.weights).toEqual({ 1: 0, 2: 5, 3: 5 })
    expect(rig.reasons(1)[0]).toBe('the operator drains it: new disk')
    expect(rig.word(1, undefined).weights[1]).toBe(5)
  })

  it('drain: out where there is no connection to keep or weight 0 refuses', () => {
    expect(new Rig(spec({ ...three, ...udp })).word(1, { state: 'drain' }).weights).toEqual({ 2: 5, 3: 5 })
    expect(new Rig(spec({ ...three, scheduler: 'dh' })).word(1, { state: 'drain' }).weights).toEqual({ 2: 5, 3: 5 })
  })

  it('drain: out of a persistent service at once when nobody can connect to it, whoever has it drain', () => {
    const why = 'persistent clients stay with weight 0 while expire_quiescent_template is 0'
    const rig = new Rig(checked({ ...three, persistence })).up(1, 2, 3).word(1, { state: 'drain', reason: 'disk' })
    expect(rig.weights[1]).toBe(0)
    expect(rig.sick(1).weights[1]).toBe(0)
    expect(rig.down(1).weights).toEqual({ 2: 5, 3: 5 })
    expect(rig.cut).toEqual([key(1)])
    expect(rig.reasons(1)[0]).toBe(why)
    expect(rig.reasons(1).slice(0, 3)).toEqual([why, 'down: tcp refused', 'the operator drains it: disk'])
    const wishes = new Rig(checked({ ...three, persistence })).up(1, 2, 3).found('down', [1], { report: { wish: 'drain' } })
    expect(wishes.weights).toEqual({ 2: 5, 3: 5 })
    const listed = backends(backend(1, { state: 'critical' }), 2, 3)
    expect(new Rig(checked({ ...three, backends: listed, persistence })).up(1, 2, 3).down(1).weights).toEqual({ 2: 5, 3: 5 })
    const expiring = new Rig(checked({ ...three, persistence }), { expiresQuiescentTemplates: true })
    expect(expiring.up(1, 2, 3).word(1, { state: 'drain' }).down(1).weights[1]).toBe(0)
    expect(new Rig(checked(three)).up(1, 2, 3).word(1, { state: 'drain' }).down(1).weights[1]).toBe(0)
  })

  it('drain: weight 0 in a persistent service, which keeps its clients until they have gone', () => {
    expect(new Rig(spec({ ...three, persistence })).word(1, { state: 'drain' }).weights[1]).toBe(0)
  })

  it('maintenance: out at once', () => {
    const rig = new Rig(spec(three)).word(1, { state: 'maintenance' })
    expect(rig.weights).toEqual({ 2: 5, 3: 5 })
    expect(rig.cut).toEqual([key(1)])
    expect(rig.reasons(1)[0]).toBe('the operator put it into maintenance')
  })

  it('ends at its time, the state apart from the weight', () => {
    const rig = new Rig(spec(three))
    rig.word(1, {
      state: 'drain',
      until: rig.now + 1_000,
      weight: { weight: 9, reason: 'test', at: rig.now, until: rig.now + 5_000 },
    })
    expect(rig.wait(999).weights[1]).toBe(0)
    expect(rig.wait(1).weights[1]).toBe(9)
    expect(rig.reasons(1)).toEqual(['the operator set weight 9: test', 'service weight 5', 'listed by static'])
    expect(rig.wait(4_000).weights[1]).toBe(5)
    expect(rig.state.dueAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('a weight goes up in equal steps of time', () => {
    const rig = new Rig(spec(three))
    const seen: number[] = []
    const ramp = { from: 5, startedAt: rig.now, duration: 3_000, steps: 3 }
    rig.word(1, { weight: { weight: 20, at: rig.now, ramp } })
    for (let second = 0; second <= 4; second++) {
      seen.push(rig.weights[1] ?? -1)
      rig.wait(1_000)
    }
    expect(seen).toEqual([5, 10, 15, 20, 20])
    expect(rig.writes).toBe(3 + 3)
  })

  it('a weight serves in place of every other one, but not what is down or critical', () => {
    const rig = new Rig(checked({ backends: backends(backend(1, { state: 'critical' }), 2, 3) })).up(1, 2, 3)
    for (const number of [1, 2, 3]) rig.word(number, { weight: { weight: 8, at: rig.now } })
    expect(rig.weights).toEqual({ 1: 0, 2: 8, 3: 8 })
    expect(rig.down(2).weights).toEqual({ 1: 0, 2: 0, 3: 8 })
  })

  it('weight 0 is a weight', () => {
    const rig = new Rig(spec(three)).word(1, { weight: { weight: 0, at: 0 } })
    expect(rig.weights).toEqual({ 1: 0, 2: 5, 3: 5 })
    expect(rig.reasons(1)[0]).toBe('the operator set weight 0')
  })

  it('nothing that he drains or maintains serves in panic', () => {
    const rig = new Rig(checked(three)).up(1, 2, 3).word(1, { state: 'drain' }).word(2, { state: 'maintenance' }).down(1, 2, 3)
    expect(rig.weights).toEqual({ 1: 0, 3: 5 })
    expect(rig.mode).toBe('panic')
  })
})

describe('what a backend says of itself', () => {
  it('is its weight, or a share of the one it has', () => {
    const rig = new Rig(checked({ backends: backends(1, 2, 3), weight: 10 })).up(1, 2, 3)
    rig.found('up', [1], { report: { weight: 3 } }).found('up', [2], { report: { percent: 25 } })
    expect(rig.weights).toEqual({ 1: 3, 2: 3, 3: 10 })
    expect(rig.reasons(1)[0]).toBe('the backend asks for weight 3')
    expect(rig.reasons(2)[0]).toBe('the backend asks for 25% of its weight')
  })

  it('is not rounded to nothing, but nothing is nothing', () => {
    const rig = new Rig(checked(three)).up(1, 2, 3)
    rig.found('up', [1], { report: { percent: 1 } }).found('up', [2], { report: { percent: 0 } })
    // More at once would be held.
    rig.wait(60_000)
    expect(rig.found('up', [3], { report: { weight: 0 } }).weights).toEqual({ 1: 1, 2: 0, 3: 0 })
  })

  it.each(['drain', 'maintenance'] as const)('may be a wish for %s', (wish) => {
    const rig = new Rig(checked(three)).up(1, 2, 3).found('up', [1], { report: { wish } })
    expect(rig.weights).toEqual({ 1: 0, 2: 5, 3: 5 })
    expect(rig.reasons(1)[0]).toBe(`the backend asks for ${wish}`)
  })
})

describe('several states at once', () => {
  it("the registry's critical wins over a passing probe", () => {
    const rig = new Rig(checked({ backends: backends(backend(1, { state: 'critical' }), 2) })).up(1, 2)
    expect(rig.weights).toEqual({ 1: 0, 2: 1 })
    expect(rig.reasons(1)[0]).toBe('static says critical')
  })

  it('maintenance by the operator wins over everything', () => {
    const rig = new Rig(checked({ backends: backends(backend(1, { state: 'critical' }), 2) }))
      .up(2)
      .word(1, { state: 'maintenance' })
    expect(rig.weights).toEqual({ 2: 1 })
  })
})
