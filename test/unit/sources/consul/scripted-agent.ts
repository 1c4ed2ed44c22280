/** A Consul agent that says what the test tells it to. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { ConsulSourceSpec } from '../../../../src/model/consul-source-spec.ts'

export interface Asked {
  readonly path: string
  readonly parameters: URLSearchParams
  /** The first line and the headers as they stood in the bytes. */
  readonly text: string
}

export interface Said {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Headers of a Consul 1.8.7 server with a leader. */
export const LED = {
  'Content-Type': 'application/json',
  'X-Consul-Effective-Consistency': 'leader',
  'X-Consul-Index': '10',
  'X-Consul-Knownleader': 'true',
  'X-Consul-Lastcontact': '0',
}

type Answer = Said | 'hang' | 'cut' | 'half'
export type Script = (asked: Asked, number: number) => Answer | Promise<Answer>

export class ScriptedAgent implements AsyncDisposable {
  readonly asked: Asked[] = []
  /** Connections that were ever made, and the most at one time. */
  connections = 0
  mostConnections = 0
  script: Script
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(script: Script, server = createServer()) {
    this.script = script
    this.#server = server
    server.on('connection', (socket: Socket) => {
      this.connections++
      this.#sockets.add(socket)
      this.mostConnections = Math.max(this.mostConnections, this.#sockets.size)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    server.on('request', (request, response) => void this.#answer(request, response))
  }

  async listen(where: { readonly path?: string; readonly port?: number } = {}): Promise<this> {
    if (where.path === undefined) this.#server.listen(where.port ?? 0, '127.0.0.1')
    else this.#server.listen(where.path)
    await once(this.#server, 'listening')
    return this
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Closes every connection, as an agent that is restarted does. */
  disconnect(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    this.disconnect()
    if (this.#server.listening) await once(this.#server, 'close')
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://agent')
    const lines = request.rawHeaders.flatMap((name, at, all) => (at % 2 === 0 ? [`${name}: ${all[at + 1]}`] : []))
    const asked = { path: pathname, parameters: searchParams, text: [`${request.method} ${request.url}`, ...lines].join('\r\n') }
    this.asked.push(asked)
    const said = await this.script(asked, this.asked.length)
    if (said === 'hang') return
    if (said === 'cut') return void request.socket.destroy()
    const { status = 200, headers = LED, body = '[]' } = said === 'half' ? {} : said
    response.writeHead(status, said === 'half' ? { ...LED, 'Content-Length': '100' } : headers)
    if (said !== 'half') return void response.end(body)
    response.write('[{"Node":')
    setTimeout(() => request.socket.destroy(), 20)
  }
}

export function scripted(script: Script): Promise<ScriptedAgent> {
  return new ScriptedAgent(script).listen()
}

export function consulSpec(agents: readonly string[], more: Partial<ConsulSourceSpec> = {}): ConsulSourceSpec {
  return {
    kind: 'consul',
    service: 'web',
    agents,
    consistency: 'default',
    maxStale: 10_000,
    tags: [],
    nodeMeta: {},
    passingOnly: false,
    wait: 300_000,
    maxWatches: 100,
    ...more,
  }
}

/** An entry of `/v1/health/service/web` as Consul 1.8.7 writes it; `checks` are ids with their states beside a passing serfHealth. */
export function entry(
  number: number,
  { service = {}, node = {}, checks = {} }: { service?: object; node?: object; checks?: Readonly<Record<string, string>> } = {},
): object {
  const all = { serfHealth: 'passing', ...checks }
  return {
    Node: {
      ID: `6c6a5a0d-0000-0000-0000-00000000000${number}`,
      Node: `n${number}`,
      Address: `10.0.0.${number}`,
      Datacenter: 'dc1',
      TaggedAddresses: null,
      Meta: null,
      CreateIndex: 5,
      ModifyIndex: 6,
      ...node,
    },
    Service: {
      ID: `web-${number}`,
      Service: 'web',
      Tags: null,
      Address: `10.1.1.${number}`,
      Meta: null,
      Port: 80,
      Weights: { Passing: 1, Warning: 1 },
      EnableTagOverride: false,
      CreateIndex: 7,
      ModifyIndex: 8,
      ...service,
    },
    Checks: Object.entries(all).map(([id, status]) => ({
      Node: `n${number}`,
      CheckID: id,
      Name: id,
      Status: status,
      Output: '',
    })),
  }
}
