import { describe, expect, it } from 'vitest'
import { backendStates } from '../../../src/daemon/backend-states.ts'
import type { AdminState } from '../../../src/model/admin-state.ts'
import type { ServiceSpec } from '../../../src/model/service-spec.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import type { ServiceProvenance } from '../../../src/pipeline/desired-update.ts'
import { backend, identity, key, members, provenance, spec, tcpCheck } from '../pipeline/makers.ts'

const NOW = 1_000

const known = (of: ServiceSpec, more: Partial<ServiceProvenance> = {}) => provenance(of, { members: members(1), ...more })

function statesOf(...services: ServiceProvenance[]) {
  const all = new Map(services.map((one) => [serviceKey(one.spec.identity), one]))
  const certificates = new Map([[serviceKey(identity()), new Map([[key(1), new Map([['tls', 12]])]])]])
  return [...backendStates({ provenance: all }, certificates, NOW)].map(({ name, backends }) => [
    name,
    [...backends].map(({ certificates, ...states }) => ({ ...states, certificates: [...certificates] })),
  ])
}

describe('the states of backends', () => {
  it('are told apart, each by what says it', () => {
    const drained: AdminState = { state: 'drain', at: 0 }
    const over: AdminState = { state: 'maintenance', at: 0, until: NOW }
    const probed = known(spec({ checks: [tcpCheck] }), {
      members: members(1, backend(2, { state: 'critical' }), 3),
      held: new Map([[key(3), { since: 0, rule: 'removal' as const }]]),
      admin: new Map([
        [key(1), drained],
        [key(2), over],
      ]),
      operational: new Map([[key(1), { health: 'up' as const, since: 0, turns: 0 }]]),
    })
    const plain = known(spec({ name: 'mail', identity: identity(2) }))
    expect(statesOf(probed, plain)).toEqual([
      [
        'web',
        [
          { backend: key(1), admin: 'drain', discovered: 'listed', operational: 'up', certificates: [['tls', 12]] },
          { backend: key(2), admin: 'ready', discovered: 'critical', operational: 'unknown', certificates: [] },
          { backend: key(3), admin: 'ready', discovered: 'held', operational: 'unknown', certificates: [] },
        ],
      ],
      ['mail', [{ backend: key(1), admin: 'ready', discovered: 'listed', operational: 'unprobed', certificates: [] }]],
    ])
  })
})
