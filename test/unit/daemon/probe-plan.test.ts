import { describe, expect, it } from 'vitest'
import { planMembers } from '../../../src/daemon/probe-plan.ts'
import { NO_ROADS, planRoads } from '../../../src/daemon/probe-roads.ts'
import type { IpAddress } from '../../../src/model/address.ts'
import type { CheckSpec } from '../../../src/model/probe-spec.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import type { Members } from '../../../src/pipeline/hold.ts'
import { endpoint } from '../../support/desired.ts'
import { backend, identity, key, members, spec, tcpCheck } from '../pipeline/makers.ts'

const throughVip: CheckSpec = { ...tcpCheck, via: 'vip' }

function roadsOf(of: ServiceSpec, all: Members) {
  const input = { range: { from: 100, to: 109 }, taken: { services: new Set<number>(), rules: [] }, past: new Map() }
  const roads = planRoads(NO_ROADS, new Map([[serviceKey(of.identity), { spec: of, members: all }]]), () => input)
  return roads.of.get(serviceKey(of.identity))
}

function planned(of: ServiceSpec, all: Members) {
  return planMembers(of, all, new Set(), roadsOf(of, all)).flatMap(({ destination, checks }) =>
    checks.map((check) => ({ destination, ...check })),
  )
}

describe('a check through the virtual address', () => {
  it('goes to the address of the service with the mark of the member', () => {
    const web = spec({ checks: [{ ...throughVip, sourceAddress: backend(9).address }], forwarding: { method: 'direct' } })
    const all = members(1, 2)
    expect(planned(web, all)).toMatchObject([
      {
        destination: key(1),
        target: { address: '10.0.0.1', port: 80, mark: 100, sourceAddress: '10.1.0.9' },
        refusalCounts: true,
      },
      { destination: key(2), target: { address: '10.0.0.1', port: 80, mark: 101 } },
    ])
    expect(planned(web, all).map(({ road }) => road)).toEqual([...(roadsOf(web, all)?.values() ?? [])])
  })

  it('is shared with nobody, and another one when the member is forwarded to in another way', () => {
    const keys = (of: ServiceSpec, all: Members) => planned(of, all).map((check) => check.key)
    const web = spec({ checks: [throughVip] })
    const other = spec({ identity: identity(2), checks: [throughVip] })
    const all = [...keys(web, members(1, 2)), ...keys(other, members(1, 2))]
    expect(new Set(all).size).toBe(4)
    expect(keys(web, members(1, 2))).toEqual(all.slice(0, 2))
    expect(keys(web, members(backend(1, { forwarding: { method: 'direct' } })))).not.toEqual(all.slice(0, 1))
  })

  it('has no road to a member on this host', () => {
    const web = spec({ checks: [throughVip], forwarding: { method: 'local' } })
    expect(planned(web, members(1))).toMatchObject([
      { destination: key(1), road: 'none', target: { address: '10.0.0.1', port: 80 } },
    ])
  })
})

it('a source address is for backends of its family, and the others are asked from where the route says', () => {
  const both = members(1, backend(2, { address: endpoint('[fd00::2]:80').address }))
  const targets = (sourceAddress: IpAddress) =>
    planned(spec({ checks: [{ ...tcpCheck, sourceAddress }] }), both).map(({ target }) => target.sourceAddress)
  expect(targets('10.1.0.9' as IpAddress)).toEqual(['10.1.0.9', undefined])
  expect(targets('fd00::9' as IpAddress)).toEqual([undefined, 'fd00::9'])
})

it('a check with a mark carries it to the member itself', () => {
  expect(planned(spec({ checks: [{ ...tcpCheck, fwmark: 7 }] }), members(1))).toMatchObject([
    { target: { address: '10.1.0.1', port: 8080, mark: 7 } },
  ])
})

it('checks that are equal have one name, others have others, and none tells what is in it', () => {
  const asking = (password: string, interval = 5_000): CheckSpec => ({
    ...tcpCheck,
    interval,
    probe: {
      kind: 'http',
      version: '1.1',
      method: 'GET',
      path: '/',
      headers: { Authorization: password },
      status: [{ from: 200, to: 299 }],
      redirects: 'accept',
    },
  })
  const keys = [asking('secret'), asking('secret'), asking('other'), asking('secret', 6_000)].map(
    (check) => planned(spec({ checks: [check] }), members(1))[0]?.key,
  )
  expect(new Set(keys).size).toBe(3)
  expect(keys[1]).toBe(keys[0])
  for (const key of keys) expect(key).toMatch(/^http#[\w-]{22} 10\.1\.0\.1 8080/)
})
