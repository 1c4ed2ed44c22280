import type { ConsulAgent } from './consul-agent.ts'
import type { Director } from './director.ts'
import { configurationOf, type Scene } from './scene.ts'
import { CONSUL_URL } from './stagehand.ts'

/** The second act goes on where a consul is installed: the members are instances that register themselves in an agent. */
export function consulScenes(director: Director, agent: ConsulAgent): readonly Scene[] {
  const register = () => Promise.all(['rs1', 'rs2', 'rs3'].map((server) => agent.register(server)))
  const even = { rs1: 1, rs2: 1, rs3: 1 }
  return [
    {
      caption: 'the source becomes a Consul agent, where the three have registered',
      table: even,
      play: async () => {
        await agent.ready()
        await register()
        await director.configure(configurationOf(`source:\n  consul: { service: web, address: "${CONSUL_URL}" }`))
      },
    },
    {
      caption: 'the check of rs1 turns critical: no new connections, the old ones live on',
      table: { rs2: 1, rs3: 1 },
      play: () => agent.setCheck('rs1', 'fail'),
    },
    {
      caption: 'rs1 is well again, rs2 goes into maintenance',
      table: { rs1: 1, rs3: 1 },
      play: async () => {
        await agent.setCheck('rs1', 'pass')
        await agent.maintenance('rs2', true)
      },
    },
    {
      caption: 'rs2 is back from maintenance, rs3 deregisters: it drains',
      table: { rs1: 1, rs2: 1 },
      play: async () => {
        await agent.maintenance('rs2', false)
        await agent.deregister('rs3')
      },
    },
    {
      caption: 'the agent is killed: who was known goes on serving',
      table: { rs1: 1, rs2: 1 },
      play: () => agent.kill(),
    },
    {
      caption: 'the agent is back and has forgotten everybody: the guard holds the pool',
      table: { rs1: 1, rs2: 1 },
      play: async () => {
        agent.start()
        await director.said('a source names no backend any more')
      },
    },
    {
      caption: 'the three register again, and all is as it was',
      table: even,
      play: register,
    },
  ]
}
