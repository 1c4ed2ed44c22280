/** Several Consul servers that elect a leader, and a client agent beside them. */

import { ConsulAgent, type ConsulOptions, consulBinary } from './consul.ts'
import { loopbackAddress } from './place.ts'

export interface ConsulClusterOptions extends Pick<ConsulOptions, 'config'> {
  /** 3 when left out. */
  readonly servers?: number
  /** A client agent, which forwards to the servers as those on real machines do. */
  readonly client?: boolean
}

export class ConsulCluster implements AsyncDisposable {
  /** `server-1` and so on. */
  readonly servers: readonly ConsulAgent[]
  readonly #client: ConsulAgent | undefined

  constructor(servers: readonly ConsulAgent[], client: ConsulAgent | undefined) {
    this.servers = servers
    this.#client = client
  }

  /** The client agent; throws when the cluster was started without one. */
  get client(): ConsulAgent {
    if (this.#client === undefined) throw new Error('this cluster was started without a client agent')
    return this.#client
  }

  /** The server that the majority follows now; undefined while there is none. */
  async leader(): Promise<ConsulAgent | undefined> {
    const alive = this.servers.filter((server) => server.running)
    const votes = await Promise.all(alive.map((server) => server.leader().catch(() => undefined)))
    return alive.find((server) => votes.filter((vote) => vote === `${server.address}:8300`).length * 2 > this.servers.length)
  }

  /** Waits for a leader that runs, and returns it. */
  async elected(patience = 30_000): Promise<ConsulAgent> {
    const deadline = Date.now() + patience
    for (;;) {
      const leader = await this.leader()
      if (leader !== undefined) return leader
      if (Date.now() > deadline) throw new Error(`no leader within ${patience} ms; server-1 said:\n${this.servers[0]?.output}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** Kills the leader and returns it. */
  async killLeader(): Promise<ConsulAgent> {
    const leader = await this.elected()
    await leader.kill()
    return leader
  }

  /** Kills every server at once; the client agent lives on and knows no leader. */
  async killServers(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.kill()))
  }

  /** Starts the servers that do not run, with the data they had; resolves when a leader is elected and all know it. */
  async startServers(): Promise<void> {
    for (const server of this.servers) if (!server.running) server.launch()
    await this.elected()
    await Promise.all([...this.servers, ...this.#clients()].map((agent) => agent.ready()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.servers, ...this.#clients()].map((agent) => agent[Symbol.asyncDispose]()))
  }

  #clients(): readonly ConsulAgent[] {
    return this.#client === undefined ? [] : [this.#client]
  }
}

/** Resolves when a leader is elected and every agent is ready, after three to ten seconds. */
export async function startConsulCluster(options: ConsulClusterOptions = {}): Promise<ConsulCluster> {
  const binary = await consulBinary()
  const addresses = Array.from({ length: options.servers ?? 3 }, loopbackAddress)
  const clientAddresses = options.client === true ? [loopbackAddress()] : []
  // The client among them: who comes back and does not call at it may be taken for dead there for minutes.
  const shared = { retry_join: [...addresses, ...clientAddresses], retry_interval: '1s' }
  const more = options.config === undefined ? {} : { config: options.config }
  const servers = addresses.map((address, index) => {
    const role = { ...shared, server: true, bootstrap_expect: addresses.length }
    return new ConsulAgent(binary, role, { ...more, address, node: `server-${index + 1}` })
  })
  const [client] = clientAddresses.map((address) => new ConsulAgent(binary, shared, { ...more, address, node: 'client-1' }))
  const cluster = new ConsulCluster(servers, client)
  try {
    client?.launch()
    await cluster.startServers()
    return cluster
  } catch (error) {
    await cluster[Symbol.asyncDispose]()
    throw error
  }
}
