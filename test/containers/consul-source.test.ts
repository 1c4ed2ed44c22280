import { type LoneAgent, testConsulSource } from '../support/consul-scenarios.ts'
import { startConsulContainer, startConsulContainerCluster } from './support/consul-container.ts'

testConsulSource('agents in containers', {
  async startAgent(options): Promise<LoneAgent> {
    const agent = await startConsulContainer({ ...options, forgetful: true })
    const restartEmpty = async () => {
      await agent.start()
      await agent.ready()
    }
    return Object.assign(agent, { restartEmpty })
  },
  startCluster: startConsulContainerCluster,
})
