import { expect, test } from 'vitest'
import type { DesiredService } from '../../../../src/model/desired-state.ts'
import type { IpvsTable } from '../../../../src/model/ipvs-table.ts'
import type { ServiceKey } from '../../../../src/model/virtual-service.ts'
import { WantedOpenings } from '../../../../src/sinks/firewall/wanted.ts'
import { held, key, service, virtual, wanted } from '../../../support/desired.ts'

const WEB = 'tcp/10.9.0.1:80' as ServiceKey
const NOBODY: IpvsTable = new Map()
const never = () => false

test('openings are the same map until one comes or goes, whatever else changes of their services', () => {
  const wants = new WantedOpenings()
  const services = new Map<ServiceKey, DesiredService>()
  const of = (backends: Parameters<typeof service>[1], table = NOBODY, holds: () => boolean = never) => {
    // In place, as whoever desires may do.
    services.set(WEB, service('tcp/10.9.0.1:80', backends))
    return wants.of({ services }, table, holds)
  }
  const first = of(['10.2.1.2:80'])
  expect([...first.keys()]).toEqual(['input tcp/10.9.0.1:80', 'output tcp/10.2.1.2:80', 'forward tcp/10.2.1.2:80'])
  expect(of([wanted('10.2.1.2:80', { weight: 0 })])).toBe(first)
  const second = of(['10.2.1.2:80', '10.2.1.3:80'])
  expect([second === first, second.size]).toEqual([false, 5])

  const destinations = new Map([
    [key('10.2.1.3:80'), { destination: held('10.2.1.3:80'), connections: { active: 1, inactive: 0, persistent: 0 } }],
  ])
  const table = new Map([[WEB, { service: virtual('tcp/10.9.0.1:80'), destinations }]]) as unknown as IpvsTable
  const draining = of(['10.2.1.2:80'], table, () => true)
  expect([...draining.keys()].sort()).toEqual([...second.keys()].sort())
  expect(of(['10.2.1.2:80'], table, () => true)).toBe(draining)
  // Its drain is over.
  expect([...of(['10.2.1.2:80']).keys()]).toEqual([...first.keys()])
})
