import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isTaken, NO_ROADS, planRoads, type RoadInput, type Roads } from '../../../src/daemon/probe-roads.ts'
import { roadName } from '../../../src/model/probe-road.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import type { Members } from '../../../src/pipeline/hold.ts'
import { backend, identity, key, members, spec, tcpCheck } from '../pipeline/makers.ts'

const throughVip = { ...tcpCheck, via: 'vip' } as const
const web = spec({ checks: [throughVip] })
const WEB = serviceKey(web.identity)
const NOBODY: RoadInput = { range: { from: 100, to: 199 }, taken: { services: new Set(), rules: [] }, past: new Map() }

function plan(before: Roads, services: readonly (readonly [ServiceSpec, Members])[], more: Partial<RoadInput> = {}): Roads {
  const wanted = new Map(services.map(([of, all]) => [serviceKey(of.identity), { spec: of, members: all }]))
  return planRoads(before, wanted, () => ({ ...NOBODY, ...more }))
}

/** Marks by backend. */
const marks = (roads: Roads, of = WEB) => Object.fromEntries([...(roads.of.get(of) ?? [])].map(([at, { mark }]) => [at, mark]))

describe('the roads of probes', () => {
  it('are for backends that are probed at the address of their service, and on other machines', () => {
    const local = backend(3, { forwarding: { method: 'local' } })
    const roads = plan(NO_ROADS, [
      [web, members(1, 2, local)],
      [spec({ identity: identity(2), checks: [tcpCheck] }), members(1)],
      [spec({ identity: identity(3), checks: [tcpCheck, throughVip] }), members(1)],
    ])
    expect([...roads.of.keys()]).toEqual(['tcp/10.0.0.1:80', 'tcp/10.0.0.3:80'])
    expect(marks(roads)).toEqual({ [key(1)]: 100, [key(2)]: 101 })
    expect(marks(roads, serviceKey(identity(3)))).toEqual({ [key(1)]: 102 })
  })

  it('ask nothing of the kernel where nobody needs them', () => {
    const input = () => {
      throw new Error('asked')
    }
    expect(planRoads(NO_ROADS, new Map([[WEB, { spec: spec(), members: members(1) }]]), input)).toBe(NO_ROADS)
  })

  it('have a service with that backend alone, its weight always 1, which is never taken over', () => {
    const direct = backend(1, { forwarding: { method: 'direct' }, weight: 0 })
    const road = plan(NO_ROADS, [[web, members(direct)]])
      .of.get(WEB)
      ?.get(key(1))
    expect(road).toMatchObject({ mark: 100, key: 'fwmark/100/ipv4', towards: '10.1.0.1', forwarding: { method: 'direct' } })
    const { destinations, ...service } = road?.service ?? {}
    expect(service).toEqual({
      name: 'probe of 10.1.0.1:8080 through tcp/10.0.0.1:80',
      identity: { kind: 'fwmark', fwmark: 100, family: 'ipv4' },
      scheduler: 'rr',
      persistence: 'none',
      complete: true,
      drainTimeout: 0,
      adopt: 'never',
    })
    expect([...(destinations ?? [])]).toMatchObject([[key(1), { weight: 1, forwarding: { method: 'direct' } }]])
  })

  it('stay the same objects while nothing about them changes', () => {
    const first = plan(NO_ROADS, [[web, members(1, 2)]])
    const again = plan(first, [[web, members(2, 1)]])
    expect(again.of.get(WEB)).toBe(first.of.get(WEB))
    const turned = plan(first, [[web, members(1, backend(2, { forwarding: { method: 'direct' } }))]])
    expect(turned.of.get(WEB)?.get(key(1))).toBe(first.of.get(WEB)?.get(key(1)))
    expect(turned.of.get(WEB)?.get(key(2))).toMatchObject({ mark: 101, forwarding: { method: 'direct' } })
  })

  it('are not planned anew while the members, the range and what others use are the same objects', () => {
    const both = members(1, 2)
    const input = { ...NOBODY }
    const wanted = new Map([[WEB, { spec: web, members: both }]])
    const first = planRoads(NO_ROADS, wanted, () => input)
    expect(planRoads(first, new Map(wanted), () => ({ ...input, range: { ...input.range } }))).toBe(first)
    const taken = { services: new Set([100]), rules: [] }
    expect(marks(planRoads(first, wanted, () => ({ ...input, taken })))).toEqual({ [key(1)]: 102, [key(2)]: 101 })
  })

  it('go with their backends, and their marks do not come again at once', () => {
    const first = plan(NO_ROADS, [[web, members(1, 2)]])
    const without = plan(first, [[web, members(2)]])
    expect(marks(without)).toEqual({ [key(2)]: 101 })
    expect(marks(plan(without, [[web, members(2, 3)]]))).toEqual({ [key(2)]: 101, [key(3)]: 102 })
    expect(plan(first, [[spec(), members(1, 2)]]).of.size).toBe(0)
  })

  it('begin again at the start of the range, and are missing where no mark is left', () => {
    const range = { from: 7, to: 8 }
    const full = plan(NO_ROADS, [[web, members(1, 2, 3)]], { range })
    expect(marks(full)).toEqual({ [key(1)]: 7, [key(2)]: 8 })
    expect(marks(plan(full, [[web, members(2, 3)]], { range }))).toEqual({ [key(2)]: 8, [key(3)]: 7 })
  })

  it('have the marks that an earlier process gave them, whoever comes first', () => {
    const past = new Map([
      [roadName(WEB, key(2)), 100],
      [roadName(WEB, key(9)), 101],
      [roadName(WEB, key(3)), 700],
    ])
    expect(marks(plan(NO_ROADS, [[web, members(1, 2, 3)]], { past }))).toEqual({ [key(1)]: 101, [key(2)]: 100, [key(3)]: 102 })
    const first = plan(NO_ROADS, [[web, members(1)]])
    expect(marks(plan(first, [[web, members(2, 1)]], { past }))).toEqual({ [key(1)]: 100, [key(2)]: 101 })
  })

  it('leave the marks of others alone, those too that others take later', () => {
    const taken = { services: new Set([100]), rules: [{ mark: 101, mask: 0xfffffffd }] }
    const first = plan(NO_ROADS, [[web, members(1, 2)]], { taken })
    expect(marks(first)).toEqual({ [key(1)]: 102, [key(2)]: 104 })
    const later = plan(first, [[web, members(1, 2)]], { taken: { services: new Set([104]), rules: [] } })
    expect(marks(later)).toEqual({ [key(1)]: 102, [key(2)]: 105 })
  })

  it('move into another range', () => {
    const first = plan(NO_ROADS, [[web, members(1, 2)]])
    const range = { from: 101, to: 103 }
    expect(marks(plan(first, [[web, members(1, 2)]], { range }))).toEqual({ [key(1)]: 102, [key(2)]: 101 })
  })

  it('never share a mark, keep it, and use no taken one, whatever happens', () => {
    const moment = fc.record({
      present: fc.uniqueArray(fc.nat(11)),
      services: fc.uniqueArray(fc.integer({ min: 100, max: 109 })),
    })
    fc.assert(
      fc.property(fc.array(moment, { maxLength: 12 }), (moments) => {
        let roads = NO_ROADS
        for (const { present, services } of moments) {
          const before = marks(roads)
          const taken = { services: new Set(services), rules: [] }
          roads = plan(roads, [[web, members(...present)]], { range: { from: 100, to: 109 }, taken })
          const after = marks(roads)
          const given = Object.values(after)
          expect(new Set(given).size).toBe(given.length)
          expect(given.filter((mark) => services.includes(mark))).toEqual([])
          expect(given).toHaveLength(Math.min(present.length, 10 - services.length))
          for (const [at, mark] of Object.entries(before))
            if (present.some((one) => key(one) === at) && !services.includes(mark)) expect(after[at]).toBe(mark)
        }
      }),
    )
  })
})

describe('a mark is taken', () => {
  const rule = (mark: number, mask: number) => ({ services: new Set<number>(), rules: [{ mark, mask }] })

  it.each([
    [0x70000001, rule(0x70000001, 0xffffffff), true],
    [0x70000001, rule(0x70000002, 0xffffffff), false],
    [0x70000201, rule(0x200, 0xf00), true],
    [0xf0000001, rule(0x80000000, 0x80000000), true],
    [0x70000001, rule(0x80000000, 0x80000000), false],
    // A rule for packets without a mark: it lets ours out.
    [0x70000001, rule(0, 0xff), true],
    [0x70000100, rule(0, 0xff), false],
  ])('where a rule tells %i from no mark at all', (mark, taken, expected) => expect(isTaken(mark, taken)).toBe(expected))
})
