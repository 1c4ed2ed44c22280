import { describe, expect, it } from 'vitest'
import type { Backend } from '../../../../src/model/backend.ts'
import type { DestinationKey } from '../../../../src/model/destination.ts'
import type { ServiceSpec } from '../../../../src/model/service-spec.ts'
import { serviceKey } from '../../../../src/model/virtual-service.ts'
import { kernelHeld } from '../../../../src/pipeline/deciding/kernel-known.ts'
import { bench, web } from '../bench.ts'
import { backends, file, fresh, identity, key, stale, tcpCheck } from '../makers.ts'
import { checked, Rig } from './rig.ts'

/** The kernel has the service with these weights by number. */
function holding(weights: Record<number, number>) {
  const held = new Map<DestinationKey, number>(Object.entries(weights).map(([number, weight]) => [key(Number(number)), weight]))
  return { kernel: { weights: held, absent: false } }
}

const service = (more: Parameters<typeof backends> = [1, 2, 3]) => checked({ backends: backends(...more), weight: 5 })

/** The same, where a backend may ask for a part of its weight. */
const asking = () => ({ ...service(), checks: [{ ...tcpCheck, probe: { kind: 'agent' as const } }] })

it('names why probes find nothing out, where they were tried', () => {
  const rig = new Rig(checked({ backends: backends(1, 2) })).found('unknown', [1], { message: '/no/such does not exist' })
  expect(rig.weights).toEqual({ 1: 1, 2: 1 })
  expect(rig.reasons(1)[0]).toBe('nothing found by probes yet, and no better backend is known (/no/such does not exist)')
  expect(rig.reasons(2)[0]).toBe('nothing found by probes yet, and no better backend is known')
})

describe('the first weight', () => {
  it('is the whole one at a cold start, until the first result of each', () => {
    const rig = new Rig(service())
    expect(rig.weights).toEqual({ 1: 5, 2: 5, 3: 5 })
    expect(rig.reasons(1)[0]).toBe('nothing found by probes yet, and no better backend is known')
    expect(rig.up(1).weights).toEqual({ 1: 5, 2: 5, 3: 5 })
    expect(rig.down(2).weights).toEqual({ 1: 5, 2: 0, 3: 5 })
  })

  it('is 0 for one that comes to a pool with a member up, until its first success', () => {
    const rig = new Rig(service([1])).up(1).configure(service([1, 2]))
    expect(rig.weights).toEqual({ 1: 5, 2: 0 })
    expect(rig.reasons(2)[0]).toBe('not probed yet: waits for its first success while others are up')
    expect(rig.up(2).weights).toEqual({ 1: 5, 2: 5 })
  })

  it('is the whole one for one that waited when nobody is up any more', () => {
    const rig = new Rig(service([1]))
      .up(1)
      .configure(service([1, 2]))
      .down(1)
    expect(rig.weights).toEqual({ 1: 5, 2: 5 })
  })

  it('is what the kernel holds: a start with the same inputs writes nothing', () => {
    const rig = new Rig(service(), holding({ 1: 5, 2: 0, 3: 5 }))
    expect(rig.weights).toEqual({ 1: 5, 2: 0, 3: 5 })
    rig.writes = 0
    rig.up(1).down(2)
    expect(rig.writes).toBe(0)
  })

  it('is none at all where weight 0 would get datagrams: who was out before the start is not written', () => {
    const udp = checked({ backends: backends(1, 2, 3), identity: { ...identity(), protocol: 'udp' } as ServiceSpec['identity'] })
    const rig = new Rig(udp, holding({ 1: 1, 2: 1 }))
    expect(rig.weights).toEqual({ 1: 1, 2: 1 })
    rig.writes = 0
    rig.up(1, 2).down(3)
    expect(rig.writes).toBe(0)
    expect(rig.up(3).weights).toEqual({ 1: 1, 2: 1, 3: 1 })
  })

  it('is the part of the weight that the kernel holds, where a backend may have asked for it', () => {
    const rig = new Rig(asking(), holding({ 1: 5, 2: 0, 3: 2 }))
    expect(rig.weights).toEqual({ 1: 5, 2: 0, 3: 2 })
    rig.writes = 0
    rig.found('up', [3], { report: { percent: 40 } })
    expect(rig.writes).toBe(0)
    expect(rig.up(3).weights).toEqual({ 1: 5, 2: 0, 3: 5 })
    expect(new Rig(service(), holding({ 1: 5, 2: 0, 3: 2 })).weights).toEqual({ 1: 5, 2: 0, 3: 5 })
  })

  it('is the weight of now where the kernel holds one that was made by other rules', () => {
    expect(new Rig(asking(), holding({ 1: 500, 2: 6, 3: 4 })).weights).toEqual({ 1: 5, 2: 5, 3: 4 })
    const scaled = checked({ backends: backends(1, 2), weight: 5 }, { slowStart: 10_000 })
    expect(new Rig(scaled, holding({ 1: 5, 2: 300 })).weights).toEqual({ 1: 500, 2: 300 })
  })

  it('is 0 for what is new beside what the kernel holds at work', () => {
    expect(new Rig(service(), holding({ 1: 5 })).weights).toEqual({ 1: 5, 2: 0, 3: 0 })
  })

  it('is the whole one after a while for whom the probes find nothing out of', () => {
    const rig = new Rig(asking(), holding({ 1: 4, 2: 0 }))
    expect(rig.wait(31_999).weights).toEqual({ 1: 4, 2: 0, 3: 0 })
    expect(rig.wait(1).weights).toEqual({ 1: 5, 2: 5, 3: 5 })
    expect(rig.state.dueAt).toBe(Number.POSITIVE_INFINITY)
    expect(rig.mode).toBe('normal')
    expect(rig.up(1).down(2).weights).toEqual({ 1: 5, 2: 0, 3: 5 })
  })

  it('panics for those that the kernel held at work, not for those that were never up', () => {
    expect(new Rig(service(), holding({ 1: 5, 2: 0, 3: 5 })).down(1, 2, 3).weights).toEqual({ 1: 5, 2: 0, 3: 5 })
    expect(new Rig(service()).down(1, 2, 3).weights).toEqual({ 1: 0, 2: 0, 3: 0 })
  })

  it.each([
    ['up', { 1: 5, 2: 5, 3: 5 }],
    ['down', { 1: 0, 2: 0, 3: 0 }],
  ] as const)('is that of a member that begins as %s', (initial, weights) => {
    const checks = [{ ...tcpCheck, initial }]
    expect(new Rig({ ...service(), checks }).weights).toEqual(weights)
  })
})

it('members that begin as down and serve at the start go on until they are found to be down', () => {
  const checks = [{ ...tcpCheck, initial: 'down' as const }]
  const rig = new Rig({ ...service(), checks }, holding({ 1: 5, 2: 5, 3: 0 }))
  const begin = () => rig.found('down', [1, 2, 3], { failure: undefined as never, message: undefined as never })
  expect(begin().weights).toEqual({ 1: 5, 2: 5, 3: 0 })
  expect(rig.wait(3_600_000).weights).toEqual({ 1: 5, 2: 5, 3: 0 })
  expect(rig.down(2).weights).toEqual({ 1: 5, 2: 0, 3: 0 })
  expect(rig.up(1, 3).weights).toEqual({ 1: 5, 2: 0, 3: 5 })
})

it('members that are up go on when they are to be asked otherwise, and nobody panics for that', () => {
  const asked = service()
  const rig = new Rig(asked).up(1, 2).down(3)
  rig.configure({ ...asked, checks: [tcpCheck, { ...tcpCheck, fall: 9 }] }).found('unknown', [1, 2, 3])
  expect([rig.weights, rig.mode]).toEqual([{ 1: 5, 2: 5, 3: 0 }, 'normal'])
  expect(rig.reasons(1)[0]).toBe('nothing found by probes yet: it served before')
  expect(rig.down(2).weights).toEqual({ 1: 5, 2: 0, 3: 0 })
})

describe('members that served unasked, when a reload has them asked', () => {
  const unasked = { ...service(), checks: [] }

  it.each(['unknown', 'up', 'down'] as const)('go on until their first result, also where they begin as %s', (initial) => {
    const rig = new Rig(unasked)
    rig.writes = 0
    rig.configure({ ...unasked, checks: [{ ...tcpCheck, initial }] }).wait(3_600_000)
    expect([rig.writes, rig.mode]).toEqual([0, 'normal'])
    expect(rig.up(1, 3).down(2).weights).toEqual({ 1: 5, 2: 0, 3: 5 })
  })

  it('serve in panic where the question is wrong for all of them', () => {
    const rig = new Rig(unasked).configure(service())
    expect(rig.down(1, 2, 3).weights).toEqual({ 1: 5, 2: 5, 3: 5 })
    expect(rig.mode).toBe('panic')
    expect(new Rig(unasked).configure(service()).sick(1, 2, 3).mode).toBe('normal')
  })

  it('are not what the kernel held long ago', () => {
    const rig = new Rig(unasked, holding({ 1: 5, 2: 0, 3: 5 }))
    expect(rig.configure(service()).weights).toEqual({ 1: 5, 2: 5, 3: 5 })
  })
})

describe('members that are known from before the start alone', () => {
  const listed = { sources: [file()] }
  const known = (list: (number | Backend)[]) => ({
    members: new Map([...backends(...list)].map(([at, one]) => [at, { backend: one }])),
    held: new Map(),
    at: 0,
  })

  it('wait for their first success on an empty kernel', () => {
    const made = bench()
    made.past.set('file /lists/web.yaml', known([1, 2]))
    made.kernel$.next({ weights: new Map(), expiresQuiescentTemplates: false })
    made.configure(checked(listed))
    made.until(2_000)
    const weights = () => [...(made.service()?.destinations ?? [])].map(([, { weight }]) => weight)
    expect(weights()).toEqual([0, 0])
    expect(made.service()?.destinations.get(key(1))?.reasons[0]).toBe(
      'known from before the start alone: waits for its first success',
    )
    made.operational$.next({ service: web, found: new Map([[key(1), { health: 'up', since: 2_000, turns: 0 }]]) })
    expect(weights()).toEqual([1, 0])
    made.stop()
  })

  it('have their whole weight when the source confirms them, or when nobody has read the kernel', () => {
    for (const kernel of [true, false]) {
      const made = bench()
      made.past.set('file /lists/web.yaml', known([1]))
      if (kernel) made.kernel$.next({ weights: new Map(), expiresQuiescentTemplates: false })
      made.configure(checked(listed))
      made.until(2_000)
      if (kernel) made.say(fresh([1], { at: 2_000 }))
      expect(made.service()?.destinations.get(key(1))?.weight).toBe(1)
      made.stop()
    }
  })

  it('serve only once they pass where the answer is too old, however long that takes and whatever else the kernel holds', () => {
    const weights = (made: ReturnType<typeof bench>) =>
      [1, 2].map((number) => made.service()?.destinations.get(key(number))?.weight)
    for (const held of [[], [[web, new Map([[key(9), 1]])]]] as const) {
      const made = bench()
      made.past.set('file /lists/web.yaml', { ...known([1, 2]), outdated: true })
      made.kernel$.next({ weights: new Map(held), expiresQuiescentTemplates: false })
      made.configure(checked(listed))
      made.until(3_600_000)
      expect(weights(made)).toEqual([0, 0])
      made.operational$.next({ service: web, found: new Map([[key(1), { health: 'up', since: 3_600_000, turns: 0 }]]) })
      expect(weights(made)).toEqual([1, 0])
      made.say(fresh([1, 2], { at: 3_600_000 }))
      made.until(7_200_000)
      expect(weights(made), 'the source has named it itself').toEqual([1, 1])
      made.stop()
    }
  })

  it('go on as the kernel holds them', () => {
    const made = bench()
    made.past.set('file /lists/web.yaml', known([1, 2]))
    const weights = new Map([[web, new Map([[key(1), 1]])]])
    made.kernel$.next({ weights, expiresQuiescentTemplates: false })
    made.configure(checked(listed))
    made.say(stale([1, 2]))
    expect(made.service()?.destinations.get(key(1))?.weight).toBe(1)
    expect(made.service()?.destinations.get(key(2))?.weight).toBe(0)
    made.stop()
  })
})

it('is asked of the kernel once: what returns later is new', () => {
  const made = bench()
  made.kernel$.next({
    weights: new Map([
      [
        web,
        new Map([
          [key(1), 1],
          [key(2), 1],
        ]),
      ],
    ]),
    expiresQuiescentTemplates: false,
  })
  made.configure(checked({ sources: [file()] }))
  made.say(fresh([1]))
  made.operational$.next({ service: web, found: new Map([[key(1), { health: 'up', since: 0, turns: 0 }]]) })
  made.say(fresh([1, 2], { at: 1_000 }))
  expect(made.service()?.destinations.get(key(2))?.weight).toBe(0)
  expect(kernelHeld({ weights: new Map(), expiresQuiescentTemplates: false }, serviceKey(identity(9))).absent).toBe(true)
  made.stop()
})
