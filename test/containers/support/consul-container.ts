/** Consul agents in containers, alone or three servers on a container network. */

import { randomInt } from 'node:crypto'
import { GenericContainer, getContainerRuntimeClient, PullPolicy, type StartedTestContainer, Wait } from 'testcontainers'
import { ConsulApi } from '../../peers/consul-api.ts'
import { consulImage } from './consul-image.ts'

export interface ConsulContainerOptions {
  readonly node?: string
  readonly acl?: boolean
  /** Laid over the agent's configuration. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly network?: { readonly name: string; readonly address: string }
  /** The data lives in memory: who is killed and started again has forgotten everything. */
  readonly forgetful?: boolean
}

/** The library knows no addresses on networks; the engine does. */
class AddressedContainer extends GenericContainer {
  withAddress(network: string, address: string): this {
    this.createOpts.NetworkingConfig = { EndpointsConfig: { [network]: { IPAMConfig: { IPv4Address: address } } } }
    return this.withNetworkMode(network)
  }
}

/** An agent in a container. Its address and port as seen from here stay the same while it is killed and started. */
export class ConsulContainer extends ConsulApi implements AsyncDisposable {
  readonly node: string
  /** Its address on the container network; undefined on the engine's default one. */
  readonly address: string | undefined
  readonly #started: StartedTestContainer

  constructor(started: StartedTestContainer, node: string, address: string | undefined, token: string | undefined) {
    super(`http://${started.getHost()}:${started.getMappedPort(8500)}`, token)
    this.#started = started
    this.node = node
    this.address = address
  }

  /** As `docker kill`: SIGKILL to the container. */
  async kill(): Promise<void> {
    await (await this.#container()).kill()
  }

  /** Starts the container that was killed. */
  async start(): Promise<void> {
    await (await this.#container()).start()
  }

  async running(): Promise<boolean> {
    return (await (await this.#container()).inspect()).State.Running
  }

  /** Resolves once it knows a leader and its own node is in the catalog. */
  async ready(patience = 30_000): Promise<void> {
    const deadline = Date.now() + patience
    const isReady = async () => {
      if ((await this.leader()) === undefined) return false
      const { status, text } = await this.call('GET', `/v1/health/node/${this.node}`, undefined, { timeout: 2_000 })
      return status === 200 && text.includes('serfHealth')
    }
    while (!(await isReady().catch(() => false))) {
      if (Date.now() > deadline) throw new Error(`${this.node} was not ready after ${patience} ms`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#container()).remove({ force: true, v: true })
  }

  async #container() {
    return (await getContainerRuntimeClient()).container.getById(this.#started.getId())
  }
}

/** Resolves when its API answers; `ready` waits for a leader. */
async function launch(role: object, options: ConsulContainerOptions): Promise<ConsulContainer> {
  const { node = 'node-1', network, acl = false, config = {}, forgetful = false } = options
  const token = acl ? crypto.randomUUID() : undefined
  const configuration = {
    node_name: node,
    node_id: crypto.randomUUID(),
    bind_addr: network?.address ?? '{{ GetInterfaceIP "eth0" }}',
    client_addr: '0.0.0.0',
    data_dir: '/data',
    ports: { serf_wan: -1 },
    performance: { raft_multiplier: 1 },
    disable_update_check: true,
    ...(token !== undefined && { acl: { enabled: true, default_policy: 'deny', tokens: { master: token, agent: token } } }),
    ...role,
    ...config,
  }
  const container = new AddressedContainer(consulImage)
    .withPullPolicy(PullPolicy.neverPull())
    .withCopyContentToContainer([{ content: JSON.stringify(configuration), target: '/config/agent.json' }])
    // A port chosen here, because one that the engine chooses changes when the container is started again.
    .withExposedPorts({ container: 8500, host: randomInt(20_000, 30_000) })
    .withWaitStrategy(Wait.forHttp('/v1/status/leader', 8500))
  if (network !== undefined) container.withAddress(network.name, network.address)
  if (forgetful) container.withTmpFs({ '/data': 'rw' })
  return new ConsulContainer(await container.start(), node, network?.address, token)
}

/** One agent that is its own server and leader. */
export async function startConsulContainer(options: ConsulContainerOptions = {}): Promise<ConsulContainer> {
  const agent = await launch({ server: true, bootstrap: true }, options)
  await agent.ready()
  return agent
}

export class ConsulContainerCluster implements AsyncDisposable {
  readonly servers: readonly ConsulContainer[]
  readonly client: ConsulContainer
  readonly #network: { remove(): Promise<unknown> }

  constructor(servers: readonly ConsulContainer[], client: ConsulContainer, network: { remove(): Promise<unknown> }) {
    this.servers = servers
    this.client = client
    this.#network = network
  }

  /** Waits for a leader that at least two running servers agree on and that runs itself. */
  async elected(patience = 30_000): Promise<ConsulContainer> {
    const deadline = Date.now() + patience
    for (;;) {
      const votes = await Promise.all(this.servers.map((server) => server.leader().catch(() => undefined)))
      for (const [index, server] of this.servers.entries()) {
        const agreeing = votes.filter((vote) => vote === `${server.address}:8300`).length
        if (agreeing >= 2 && votes[index] !== undefined) return server
      }
      if (Date.now() > deadline) throw new Error(`no leader within ${patience} ms`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async killLeader(): Promise<ConsulContainer> {
    const leader = await this.elected()
    await leader.kill()
    return leader
  }

  async killServers(): Promise<void> {
    for (const server of this.servers) if (await server.running()) await server.kill()
  }

  /** Starts the servers that do not run, with the data they had; resolves when all agents know a leader. */
  async startServers(): Promise<void> {
    for (const server of this.servers) if (!(await server.running())) await server.start()
    await this.elected()
    await Promise.all([...this.servers, this.client].map((agent) => agent.ready()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.servers, this.client].map((agent) => agent[Symbol.asyncDispose]()))
    await this.#network.remove()
  }
}

/** Three servers and a client agent on a network of their own. */
export async function startConsulContainerCluster(): Promise<ConsulContainerCluster> {
  const name = `consul-${crypto.randomUUID()}`
  const prefix = `10.${randomInt(64, 128)}.${randomInt(0, 256)}`
  const engine = await getContainerRuntimeClient()
  const network = await engine.network.create({ Name: name, IPAM: { Driver: 'default', Config: [{ Subnet: `${prefix}.0/24` }] } })
  const addresses = [`${prefix}.11`, `${prefix}.12`, `${prefix}.13`]
  const clientAddress = `${prefix}.20`
  // The client among them: who comes back and does not call at it may be taken for dead there for minutes.
  const shared = { retry_join: [...addresses, clientAddress], retry_interval: '1s' }
  const servers = await Promise.all(
    addresses.map((address, index) =>
      launch({ ...shared, server: true, bootstrap_expect: 3 }, { node: `server-${index + 1}`, network: { name, address } }),
    ),
  )
  const client = await launch(shared, { node: 'client-1', network: { name, address: clientAddress } })
  const cluster = new ConsulContainerCluster(servers, client, network)
  await cluster.elected()
  await Promise.all([...servers, client].map((agent) => agent.ready()))
  return cluster
}
