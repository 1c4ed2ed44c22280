import * as http from 'node:http'
import * as https from 'node:https'
import type { Duplex } from 'node:stream'
import type { TlsSpec } from '../../model/tls-spec.ts'
import { Streams } from './streams.ts'
import { tlsMaterial } from './tls-material.ts'

/** One agent and the connections to it. */
export interface ConsulAgent {
  /** As written, for messages. */
  readonly name: string
  readonly secure: boolean
  /** Where requests go: host and port, or the path of a socket. */
  readonly target: Readonly<Pick<http.RequestOptions, 'hostname' | 'port' | 'socketPath'>>
  /** Connections of HTTP/1.1, one question at a time each. */
  readonly pool: http.Agent
  /** Connections of HTTP/2, for an https:// address. */
  readonly streams?: Streams
}

/** Connections that are kept although nothing is asked over them. */
const IDLE_CONNECTIONS = 16

/**
 * The agents of one source of truth. The first is asked; one that fails makes room for the next, and the new one stays
 * until it fails in turn, so that the index does not jump between servers.
 */
export class ConsulAgents implements Disposable {
  readonly list: readonly ConsulAgent[]
  /** Called when another agent has become the current one. */
  onMoved: () => void = () => {}
  #current = 0

  constructor(addresses: readonly string[], tls: TlsSpec | undefined) {
    this.list = addresses.map((address) => agentAt(address, tls))
  }

  get current(): ConsulAgent {
    const agent = this.list[this.#current]
    if (agent === undefined) throw new RangeError('there is no agent')
    return agent
  }

  /** Says that an agent has failed; the next one is the current one from now on, unless that has happened already. */
  failed(agent: ConsulAgent): void {
    if (agent !== this.current || this.list.length === 1) return
    this.#current = (this.#current + 1) % this.list.length
    this.onMoved()
  }

  /** Closes every connection. */
  [Symbol.dispose](): void {
    for (const { pool, streams } of this.list) {
      pool.destroy()
      streams?.[Symbol.dispose]()
    }
  }
}

function agentAt(address: string, tls: TlsSpec | undefined): ConsulAgent {
  const options = { keepAlive: true, maxFreeSockets: IDLE_CONNECTIONS }
  if (address.startsWith('unix://')) {
    const socketPath = address.slice('unix://'.length)
    return {
      name: address,
      secure: false,
      target: { socketPath },
      pool: new http.Agent({ ...options, socketPath } as http.AgentOptions),
    }
  }
  const { protocol, hostname, port } = new URL(address)
  const target = { hostname: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || (protocol === 'https:' ? 443 : 80)) }
  if (protocol !== 'https:') return { name: address, secure: false, target, pool: new http.Agent(options) }
  const streams = new Streams({ host: target.hostname, port: target.port }, tls ?? { verify: true })
  return { name: address, secure: true, target, pool: new FreshTlsAgent(tls, options), streams }
}

type Connected = (error: Error | null, socket?: Duplex) => void

/** Reads the files of certificates for each connection, so that renewed ones are used without a restart. */
class FreshTlsAgent extends https.Agent {
  readonly #tls: TlsSpec | undefined

  constructor(tls: TlsSpec | undefined, options: https.AgentOptions) {
    super({ ...options, ...(tls?.serverName !== undefined && { servername: tls.serverName }) })
    this.#tls = tls
  }

  override createConnection(options: https.RequestOptions, connected: Connected): Duplex | null | undefined {
    const tls = this.#tls
    if (tls === undefined) return super.createConnection(options, connected)
    const connect = async () => {
      try {
        const socket = super.createConnection({ ...options, ...(await tlsMaterial(tls)) }, connected)
        if (socket) connected(null, socket)
      } catch (error) {
        connected(error as Error)
      }
    }
    void connect()
    return undefined
  }
}
