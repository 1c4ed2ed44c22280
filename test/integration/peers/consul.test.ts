import { describe, expect, it } from 'vitest'
import { startConsul } from '../../peers/consul.ts'
import type { ConsulApi } from '../../peers/consul-api.ts'
import { startConsulCluster } from '../../peers/consul-cluster.ts'

interface HealthEntry {
  readonly Service: { readonly ID: string; readonly Port: number }
  readonly Checks: readonly { readonly CheckID: string; readonly Status: string }[]
}

async function health(agent: ConsulApi, service: string): Promise<Record<string, Record<string, string>>> {
  const entries = (await agent.ask('GET', `/v1/health/service/${service}`)) as readonly HealthEntry[]
  return Object.fromEntries(
    entries.map(({ Service, Checks }) => [
      Service.ID,
      Object.fromEntries(Checks.map(({ CheckID, Status }) => [CheckID, Status])),
    ]),
  )
}

describe('the Consul agent of the tests', () => {
  it('is the real one: registers, fails checks, keeps maintenance, and forgets only when told to', async () => {
    await using agent = await startConsul()
    await agent.register({ name: 'web', id: 'web-1', address: '10.1.1.1', port: 80 })
    await agent.setCheck('web-1', 'critical')
    await agent.maintenance('web-1', true)
    await agent.registerInCatalog({ name: 'web', id: 'web-2', port: 81, node: 'other', nodeAddress: '10.1.1.2' })
    const full = {
      'web-1': { serfHealth: 'passing', 'service:web-1': 'critical', '_service_maintenance:web-1': 'critical' },
      'web-2': { 'service:web-2': 'passing' },
    }
    expect(await health(agent, 'web')).toEqual(full)
    await agent.restart()
    await expect.poll(() => health(agent, 'web'), { timeout: 10_000 }).toEqual(full)
    await agent.restart({ wipe: true })
    expect(await health(agent, 'web')).toEqual({})
  })

  it('denies without a token, and a token that was revoked', async () => {
    await using agent = await startConsul({ acl: true })
    await agent.register({ name: 'web', port: 80 })
    const { accessor, secret } = await agent.createToken(
      'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }',
    )
    const status = async (token: string) => {
      const { status, text } = await agent.call('GET', '/v1/health/service/web', undefined, { token })
      return status === 200 ? JSON.parse(text).length : status
    }
    expect(await status(secret)).toBe(1)
    expect(await status('')).toBe(0)
    await agent.revokeToken(accessor)
    expect(await status(secret)).toBe(403)
  })

  it('loses its leader, elects another, loses all and comes back with what it knew', async () => {
    await using cluster = await startConsulCluster({ client: true })
    await cluster.client.register({ name: 'web', port: 80 })
    const dead = await cluster.killLeader()
    const next = await cluster.elected()
    expect(next.address).not.toBe(dead.address)
    await cluster.killServers()
    expect(await cluster.leader()).toBeUndefined()
    const { status } = await cluster.client.call('GET', '/v1/health/service/web')
    expect(status).toBe(500)
    await cluster.startServers()
    expect(Object.keys(await health(cluster.client, 'web'))).toEqual(['web'])
  })
})
