/** The real Consul agent (1.8.7, Debian bullseye), alone or as a cluster, each agent on a loopback address of its own. */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConsulApi } from './consul-api.ts'
import { unpackedAlready, unpackedPackages } from './debian-package.ts'
import { PeerProcess } from './peer-process.ts'
import { loopbackAddress, type PeerFolder, peerFolder } from './place.ts'

export interface ConsulOptions {
  /** Laid over the agent's configuration, section by section: `{ limits: { http_max_conns_per_client: 20 } }`. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Other ports than 8500, 8600 and none for https. */
  readonly ports?: { readonly http?: number; readonly dns?: number; readonly https?: number }
  /** Access lists on, everything denied by default; `agent.token` is the management token. */
  readonly acl?: boolean
  /** Left out: `node-1`. */
  readonly node?: string
  /** Left out: a loopback address of its own. */
  readonly address?: string
}

const PACKAGES = { name: 'consul', suite: 'bullseye', packages: ['consul'] } as const
const BINARY = 'usr/bin/consul'

/** The file that the container tier puts into its image, too. */
export async function consulBinary(): Promise<string> {
  return join(await unpackedPackages(PACKAGES), BINARY)
}

/** The same file if it has been unpacked already; fetches nothing. */
export function consulInCache(): string | undefined {
  const folder = unpackedAlready(PACKAGES)
  return folder === undefined ? undefined : join(folder, BINARY)
}

type Json = Readonly<Record<string, unknown>>

const isSection = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

function overlay(base: Json, over: Json): Json {
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key]
    merged[key] = isSection(below) && isSection(value) ? overlay(below, value) : value
  }
  return merged
}

/** An agent's process, data and API. `address`, ports and the node's id stay the same over every restart. */
export class ConsulAgent extends ConsulApi implements AsyncDisposable {
  readonly address: string
  readonly httpPort: number
  readonly dnsPort: number
  readonly node: string
  /** Holds its configuration and data; gone when it is closed. */
  readonly folder: string
  readonly #binary: string
  readonly #place: PeerFolder
  #process: PeerProcess | undefined

  constructor(binary: string, role: Json, options: ConsulOptions) {
    const address = options.address ?? loopbackAddress()
    const httpPort = options.ports?.http ?? 8500
    const token = options.acl === true ? crypto.randomUUID() : undefined
    super(`http://${address}:${httpPort}`, token)
    this.#binary = binary
    this.address = address
    this.httpPort = httpPort
    this.dnsPort = options.ports?.dns ?? 8600
    this.node = options.node ?? 'node-1'
    this.#place = peerFolder('consul')
    this.folder = this.#place.path
    const base = {
      node_name: this.node,
      node_id: crypto.randomUUID(),
      bind_addr: address,
      client_addr: address,
      data_dir: join(this.folder, 'data'),
      ports: { http: httpPort, dns: this.dnsPort, https: options.ports?.https ?? -1, serf_wan: -1 },
      performance: { raft_multiplier: 1 },
      disable_update_check: true,
      disable_remote_exec: true,
      enable_central_service_config: false,
      ...(token !== undefined && {
        acl: { enabled: true, default_policy: 'deny', enable_token_persistence: true, tokens: { master: token, agent: token } },
      }),
      ...role,
    }
    writeFileSync(join(this.folder, 'agent.json'), JSON.stringify(overlay(base, options.config ?? {}), undefined, 2))
  }

  /** What it logged last. */
  get output(): string {
    return this.#process?.output ?? ''
  }

  get running(): boolean {
    return this.#process !== undefined
  }

  /** Starts the process; `ready` tells when it serves. */
  launch(): void {
    if (this.#process !== undefined) throw new Error(`${this.node} runs already`)
    mkdirSync(join(this.folder, 'data'), { recursive: true })
    this.#process = new PeerProcess([this.#binary, 'agent', '-config-file', join(this.folder, 'agent.json')])
  }

  /** Resolves once it knows a leader and its own node is in the catalog. */
  async ready(patience = 30_000): Promise<void> {
    if (this.#process === undefined) throw new Error(`${this.node} does not run`)
    await this.#process.until(
      async () => {
        if ((await this.leader()) === undefined) return false
        const { status, text } = await this.call('GET', `/v1/health/node/${this.node}`, undefined, { timeout: 2_000 })
        return status === 200 && text.includes('serfHealth')
      },
      `${this.node} knows a leader and is in the catalog`,
      patience,
    )
  }

  /** Ends it as systemd would; the data stays, and what was registered is there again after `restart`. */
  async stop(): Promise<void> {
    await this.#process?.stop()
    this.#process = undefined
  }

  /** Ends it without a last word. */
  async kill(): Promise<void> {
    await this.#process?.kill()
    this.#process = undefined
  }

  /** Freezes it: connections stay open and accept, nothing answers. */
  freeze(): void {
    this.#process?.freeze()
  }

  thaw(): void {
    this.#process?.thaw()
  }

  /** Ends it if it runs and starts it again; with `wipe` it has forgotten everything. Resolves when it is ready. */
  async restart({ wipe = false }: { readonly wipe?: boolean } = {}): Promise<void> {
    await this.kill()
    if (wipe) rmSync(join(this.folder, 'data'), { recursive: true, force: true })
    this.launch()
    await this.ready()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    this.#place.remove()
  }
}

/** One agent that is its own server and leader, ready in about two seconds. */
export async function startConsul(options: ConsulOptions = {}): Promise<ConsulAgent> {
  const agent = new ConsulAgent(await consulBinary(), { server: true, bootstrap: true }, options)
  try {
    agent.launch()
    await agent.ready()
    return agent
  } catch (error) {
    await agent[Symbol.asyncDispose]()
    throw error
  }
}
