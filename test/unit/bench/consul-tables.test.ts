import { describe, expect, it } from 'vitest'
import { loadConfiguration } from '../../../src/config/load.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { BARE, consulConfigurationText, instancesOf, newBareInstance, newInstance } from '../../bench/consul-tables.ts'
import { consulPlanFor, sizesFor } from '../../bench/plan.ts'
import { numbers, serviceIdentity } from '../../bench/shape.ts'

const shape = sizesFor(false).many
const everything = { quick: false, rounds: 1, warmUp: 0, only: ['consul'], tables: ['many'] } as const

describe('the table in Consul', () => {
  const instances = [...instancesOf(shape)]

  it('has every service of the configuration and one for the plain client', () => {
    const names = new Set(instances.map(({ service }) => service))
    expect(names.size).toBe(1001)
    expect(names.has(BARE)).toBe(true)
    expect(instances).toHaveLength(10_010)
  })

  it('has no address and no id twice on a host, the new instances included', () => {
    const all = [...instances, ...[...numbers(shape.services)].map((service) => newInstance(shape, service))]
    expect(new Set(all.map(({ address }) => address)).size).toBe(11_010)
    expect(new Set(all.map(({ node, id }) => `${node}/${id}`)).size).toBe(11_010)
    expect(newBareInstance(shape, 1).id).not.toBe(newBareInstance(shape, 2).id)
  })

  it('is followed by a valid configuration', () => {
    const tls = { address: 'https://127.0.0.1:8501', tls: { ca: '/x/ca.pem' } }
    const text = consulConfigurationText(shape, tls, { stateDirectory: '/tmp', adminPort: 1 })
    const loaded = loadConfiguration({ path: 'x.yaml', bytes: Buffer.from(text) })
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.issues.slice(0, 3)))
    const { services } = loaded.configuration
    expect(services.map(({ identity }) => serviceKey(identity))).toEqual(
      [...numbers(shape.services)].map((service) => serviceKey(serviceIdentity(service))),
    )
    expect(services[7]?.sources).toMatchObject([{ kind: 'consul', service: 'service-7', agents: ['https://127.0.0.1:8501'] }])
  })

  it('gains instances in as many services as are measured', () => {
    const plans = [true, false].map((quick) => consulPlanFor({ ...everything, quick }))
    for (const plan of plans)
      expect((plan?.warmUp ?? 0) + (plan?.registrations ?? 0)).toBeLessThanOrEqual(plan?.shape.services ?? 0)
    expect(plans[1]?.registrations).toBeGreaterThanOrEqual(200)
  })

  it('is measured only where it is asked for', () => {
    expect(consulPlanFor({ ...everything, only: ['apply'] })).toBeUndefined()
    expect(consulPlanFor({ ...everything, tables: ['wide'] })).toBeUndefined()
  })
})
