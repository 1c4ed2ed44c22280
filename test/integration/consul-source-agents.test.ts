import { startConsul } from '../peers/consul.ts'
import { startConsulCluster } from '../peers/consul-cluster.ts'
import { type LoneAgent, testConsulSource } from '../support/consul-scenarios.ts'

testConsulSource('agents as processes', {
  async startAgent(options): Promise<LoneAgent> {
    const agent = await startConsul(options)
    return Object.assign(agent, { restartEmpty: () => agent.restart({ wipe: true }) })
  },
  startCluster: () => startConsulCluster({ client: true }),
})
