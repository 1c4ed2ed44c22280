import { expect, it } from 'vitest'
import type { ConsulApi } from '../peers/consul-api.ts'
import { startConsulContainer, startConsulContainerCluster } from './support/consul-container.ts'

async function ids(agent: ConsulApi): Promise<readonly string[]> {
  const entries = (await agent.ask('GET', '/v1/health/service/web')) as readonly { readonly Service: { readonly ID: string } }[]
  return entries.map(({ Service }) => Service.ID).sort()
}

it('registers and deregisters a service with an agent in a container, which forgets when it is killed', async () => {
  await using agent = await startConsulContainer({ forgetful: true })
  await agent.register({ name: 'web', id: 'web-1', address: '10.1.1.1', port: 80 })
  await agent.register({ name: 'web', id: 'web-2', address: '10.1.1.2', port: 80 })
  expect(await ids(agent)).toEqual(['web-1', 'web-2'])
  await agent.deregister('web-1')
  expect(await ids(agent)).toEqual(['web-2'])
  await agent.kill()
  await expect(agent.leader()).rejects.toThrow()
  await agent.start()
  await agent.ready()
  expect(await ids(agent)).toEqual([])
})

it('keeps a service through the death of the leader and of all servers', async () => {
  await using cluster = await startConsulContainerCluster()
  await cluster.client.register({ name: 'web', id: 'web-1', address: '10.1.1.1', port: 80 })
  const dead = await cluster.killLeader()
  const next = await cluster.elected()
  expect(next.node).not.toBe(dead.node)
  expect(await ids(next)).toEqual(['web-1'])
  await cluster.killServers()
  // Whoever is dead on a container network does not refuse: the agent finds out by its own time limits.
  expect((await cluster.client.call('GET', '/v1/health/service/web', undefined, { timeout: 60_000 })).status).toBe(500)
  await cluster.startServers()
  await expect.poll(() => ids(cluster.client), { timeout: 30_000 }).toEqual(['web-1'])
})
