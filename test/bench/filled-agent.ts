/** A Consul agent on a loopback address, over http and https, with the table in its catalog. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CertificateAuthority, makeAuthority } from '../peers/certificates.ts'
import { ConsulAgent } from '../peers/consul.ts'
import { fillCatalog } from './consul-catalog.ts'
import { PlainClient } from './plain-client.ts'
import type { Shape } from './shape.ts'

export const HTTPS_PORT = 8501
export const SERVER_NAME = 'server.dc1.consul'
/** Milliseconds for the agent to be ready. */
const LONGEST = 60_000

export class FilledAgent implements AsyncDisposable {
  readonly agent: ConsulAgent
  readonly authority: CertificateAuthority
  /** Over http. */
  readonly client: PlainClient

  private constructor(agent: ConsulAgent, authority: CertificateAuthority) {
    this.agent = agent
    this.authority = authority
    this.client = new PlainClient(agent.url)
  }

  /** `binary`: the program of Consul. `address`: left out, one of its own. */
  static async open(binary: string, shape: Shape, address?: string): Promise<FilledAgent> {
    const authority = await makeAuthority()
    const { certFile, keyFile } = await authority.issue({ name: SERVER_NAME })
    const role = { server: true, bootstrap: true, log_level: 'warn', cert_file: certFile, key_file: keyFile }
    const place = address === undefined ? {} : { address }
    const agent = new ConsulAgent(binary, role, { ...place, ports: { https: HTTPS_PORT } })
    const filled = new FilledAgent(agent, authority)
    try {
      agent.launch()
      await agent.ready(LONGEST)
      await fillCatalog(filled.client, shape)
      return filled
    } catch (error) {
      await filled[Symbol.asyncDispose]()
      throw error
    }
  }

  get https(): string {
    return `https://${this.agent.address}:${HTTPS_PORT}`
  }

  /** What a consul source writes to ask over https. */
  get httpsKeys() {
    return { address: this.https, tls: { ca: this.authority.certFile, server_name: SERVER_NAME } }
  }

  /** Restarts the agent with a higher limit of connections; what it holds stays. */
  async raiseLimit(connections: number): Promise<void> {
    const file = join(this.agent.folder, 'agent.json')
    const written = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
    writeFileSync(file, JSON.stringify({ ...written, limits: { http_max_conns_per_client: connections } }))
    await this.agent.restart()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]()
    await this.agent[Symbol.asyncDispose]()
    this.authority[Symbol.dispose]()
  }
}
