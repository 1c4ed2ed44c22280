/** Stands between us and a peer that speaks TCP, mostly HTTP, and harms what passes as long as it is told to. */

import { randomBytes } from 'node:crypto'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { HttpExchange, type RecordedRequest } from './http-exchange.ts'
import { loopbackAddress } from './place.ts'

export type Fault =
  | { readonly kind: 'pass' }
  /** The peer's bytes arrive so many milliseconds later. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Nobody listens, and connections that were open are reset. */
  | { readonly kind: 'refuse' }
  /** Connections are accepted and reset at once, those that were open too. */
  | { readonly kind: 'reset' }
  /** Of each of the peer's answers so many bytes arrive, head included; then the connection closes, or hangs. */
  | { readonly kind: 'cut'; readonly afterBytes: number; readonly ending?: 'close' | 'hang' }
  /** The head of an HTTP answer arrives, and half of its body; then the connection closes, or hangs. */
  | { readonly kind: 'half-body'; readonly ending?: 'close' | 'hang' }
  /** Nothing arrives, in either direction, until this fault ends; then what was under way goes on. */
  | { readonly kind: 'black-hole' }
  /** Requests are answered so, and the peer's own answers are replaced; `connection` stays open. */
  | AnswerFault
  /** The peer's answers are replaced by bytes that mean nothing; then the connection closes. */
  | { readonly kind: 'garbage' }

export interface AnswerFault {
  readonly kind: 'answer'
  readonly status: number
  /** Such as `{ 'retry-after': '3' }`; content-length is added. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface FaultProxyOptions {
  readonly to: { readonly address: string; readonly port: number }
  /** Left out: a loopback address of its own. */
  readonly address?: string
  /** Left out: the peer's port. */
  readonly port?: number
}

/** One client's connection and the one behind it. */
class Passage {
  readonly #client: Socket
  readonly #peer: Socket
  readonly #exchange: HttpExchange
  readonly #proxy: FaultProxy
  readonly #waiting: (() => void)[] = []
  /** Bytes of the answer under way that the client was given. */
  #given = 0
  #ruined = false

  constructor(client: Socket, proxy: FaultProxy, onRequest: (request: RecordedRequest) => void) {
    this.#client = client
    this.#proxy = proxy
    this.#exchange = new HttpExchange((request) => {
      this.#given = 0
      onRequest(request)
    })
    this.#peer = connect({ host: proxy.to.address, port: proxy.to.port })
    client.on('data', (chunk) => this.#unlessHeld(() => this.#fromClient(chunk)))
    this.#peer.on('data', (chunk) => this.#unlessHeld(() => this.#fromPeer(chunk)))
    for (const socket of [client, this.#peer]) socket.setNoDelay(true).on('error', () => undefined)
    client.on('close', () => this.#peer.destroy())
    this.#peer.on('close', () => this.#unlessHeld(() => this.#ended()))
  }

  reset(): void {
    this.#client.resetAndDestroy()
    this.#peer.destroy()
  }

  /** Lets what a black hole held go on. */
  release(): void {
    for (const go of this.#waiting.splice(0)) go()
  }

  #unlessHeld(go: () => void): void {
    if (this.#proxy.fault.kind === 'black-hole') this.#waiting.push(go)
    else go()
  }

  #ended(): void {
    const { fault } = this.#proxy
    if (fault.kind === 'delay') setTimeout(() => this.#client.end(), fault.ms)
    else if (!this.#ruined) this.#client.end()
  }

  #fromClient(chunk: Buffer): void {
    const before = this.#exchange.open
    this.#exchange.fromClient(chunk)
    const { fault } = this.#proxy
    if (fault.kind !== 'answer') this.#peer.write(chunk)
    else if (this.#exchange.open !== before) this.#answer(fault)
  }

  #fromPeer(chunk: Buffer): void {
    this.#exchange.fromPeer(chunk)
    if (this.#ruined) return
    const { fault } = this.#proxy
    switch (fault.kind) {
      case 'answer':
        if (this.#given === 0) this.#answer(fault)
        break
      case 'garbage':
        this.#give(randomBytes(200))
        this.#ruin('close')
        break
      case 'cut':
        this.#giveUpTo(fault.afterBytes, chunk, fault.ending)
        break
      case 'half-body':
        this.#giveUpTo(this.#halfOf(chunk), chunk, fault.ending)
        break
      case 'delay':
        setTimeout(() => this.#give(chunk), fault.ms)
        break
      case 'pass':
      case 'black-hole':
      case 'refuse':
      case 'reset':
        this.#give(chunk)
    }
  }

  #give(bytes: Buffer): void {
    this.#given += bytes.length
    if (!this.#client.destroyed) this.#client.write(bytes)
  }

  #answer({ status, headers = {}, body = '' }: AnswerFault): void {
    const all = { 'content-length': String(Buffer.byteLength(body)), ...headers }
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
    this.#give(Buffer.from(`HTTP/1.1 ${status} Scripted\r\n${lines.join('')}\r\n${body}`))
  }

  /** Where half of the answer is: of the body's length if it is declared, else of what has come of it. */
  #halfOf(chunk: Buffer): number {
    const reply = this.#exchange.open?.reply
    if (reply === undefined) return Number.POSITIVE_INFINITY
    const come = this.#given + chunk.length - reply.headBytes
    if (come === 0) return Number.POSITIVE_INFINITY
    return reply.headBytes + Math.floor(Number(reply.headers['content-length'] ?? come) / 2)
  }

  #giveUpTo(limit: number, chunk: Buffer, ending: 'close' | 'hang' = 'close'): void {
    const left = limit - this.#given
    this.#give(chunk.subarray(0, Math.max(0, left)))
    if (chunk.length >= left) this.#ruin(ending)
  }

  #ruin(ending: 'close' | 'hang'): void {
    this.#ruined = true
    if (ending === 'close') this.#client.end(() => this.#peer.destroy())
  }
}

export class FaultProxy implements AsyncDisposable {
  readonly address: string
  readonly port: number
  readonly to: FaultProxyOptions['to']
  /** Every HTTP request that was seen, in order of arrival; what is not HTTP leaves none. */
  readonly requests: RecordedRequest[] = []
  /** Connections accepted so far. */
  connections = 0
  readonly #passages = new Set<Passage>()
  #server: Server | undefined
  #fault: Fault = { kind: 'pass' }

  constructor({ to, address = loopbackAddress(), port = to.port }: FaultProxyOptions) {
    this.to = to
    this.address = address
    this.port = port
  }

  /** `http://127.77.1.1:8500`. */
  get url(): string {
    return `http://${this.address.includes(':') ? `[${this.address}]` : this.address}:${this.port}`
  }

  get fault(): Fault {
    return this.#fault
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#passages.size
  }

  /** From now on; requests under way are answered according to the new fault. */
  async set(fault: Fault): Promise<void> {
    this.#fault = fault
    if (fault.kind === 'refuse' || fault.kind === 'reset') this.drop()
    if (fault.kind === 'refuse') await this.#close()
    else await this.#listen()
    if (fault.kind !== 'black-hole') for (const passage of this.#passages) passage.release()
  }

  /** Resets the connections that are open. */
  drop(): void {
    for (const passage of this.#passages) passage.reset()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drop()
    await this.#close()
  }

  async #listen(): Promise<void> {
    if (this.#server !== undefined) return
    const server = createServer((client) => this.#accept(client))
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.port, this.address, resolve)
    })
  }

  async #close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server !== undefined) await new Promise((resolve) => server.close(resolve))
  }

  #accept(client: Socket): void {
    this.connections += 1
    if (this.#fault.kind === 'reset') {
      client.on('error', () => undefined).resetAndDestroy()
      return
    }
    const passage = new Passage(client, this, (request) => this.requests.push(request))
    this.#passages.add(passage)
    client.on('close', () => this.#passages.delete(passage))
  }
}

/** Listens at once and lets everything pass until `set` says otherwise. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const proxy = new FaultProxy(options)
  await proxy.set({ kind: 'pass' })
  return proxy
}
