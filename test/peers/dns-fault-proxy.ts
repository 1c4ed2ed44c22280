/** Stands between us and a DNS server, over UDP and TCP on one port, and harms the answers as long as it is told to. */

import { randomBytes } from 'node:crypto'
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { bareAnswer, questionOf, type RCODES, withOtherId, withOtherQuestion } from './dns-message.ts'
import { loopbackAddress } from './place.ts'

export type Transport = 'udp' | 'tcp'

export type DnsFault =
  | { readonly kind: 'pass' }
  | { readonly kind: 'delay'; readonly ms: number }
  /** Nobody listens. */
  | { readonly kind: 'refuse' }
  /** The query arrives nowhere; over TCP the connection is accepted. */
  | { readonly kind: 'black-hole' }
  /** This instead of the server's answer. */
  | { readonly kind: 'answer'; readonly rcode: keyof typeof RCODES }
  /** Truncated: no record, and the bit that says so. */
  | { readonly kind: 'truncated' }
  /** The answer's first bytes only; over TCP the connection then closes in the middle of the message. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** The answer's header and nonsense after it. */
  | { readonly kind: 'garbage' }
  /** The answer to another query, by its id or by its question. */
  | { readonly kind: 'wrong-id' }
  | { readonly kind: 'wrong-question' }

export interface RecordedQuery {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly transport: Transport
  readonly name: string
  /** As a number: 1 A, 28 AAAA, 33 SRV. */
  readonly type: number
  readonly bytes: Buffer
}

export interface DnsFaultProxyOptions {
  readonly to: { readonly address: string; readonly port: number }
  /** Left out: a loopback address of its own. */
  readonly address?: string
  /** Left out: the server's port. */
  readonly port?: number
}

/** What the client gets for an answer of the server; undefined for nothing. */
function harm(answer: Buffer, fault: DnsFault): Buffer | undefined {
  switch (fault.kind) {
    case 'pass':
    case 'delay':
      return answer
    case 'refuse':
    case 'black-hole':
      return undefined
    case 'answer':
      return bareAnswer(answer, fault.rcode)
    case 'truncated':
      return bareAnswer(answer, 'NOERROR', { truncated: true })
    case 'cut':
      return answer.subarray(0, fault.afterBytes)
    case 'garbage':
      return Buffer.concat([answer.subarray(0, 12), randomBytes(60)])
    case 'wrong-id':
      return withOtherId(answer)
    case 'wrong-question':
      return withOtherQuestion(answer)
  }
}

/** The whole messages at the start of what came over TCP (each has its length before it), and the rest. */
function splitMessages(bytes: Buffer): { messages: readonly Buffer[]; rest: Buffer } {
  const messages: Buffer[] = []
  let at = 0
  while (bytes.length >= at + 2 && bytes.length >= at + 2 + bytes.readUInt16BE(at)) {
    const end = at + 2 + bytes.readUInt16BE(at)
    messages.push(bytes.subarray(at + 2, end))
    at = end
  }
  return { messages, rest: bytes.subarray(at) }
}

function onMessages(socket: Socket, take: (message: Buffer) => void): void {
  let pending = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    const { messages, rest } = splitMessages(Buffer.concat([pending, chunk]))
    pending = Buffer.from(rest)
    for (const message of messages) take(message)
  })
}

const frame = (message: Buffer, length = message.length): Buffer =>
  Buffer.concat([Buffer.from([length >> 8, length & 255]), message])

export class DnsFaultProxy implements AsyncDisposable {
  readonly address: string
  readonly port: number
  /** Every query that arrived, whatever became of it. */
  readonly queries: RecordedQuery[] = []
  readonly #to: DnsFaultProxyOptions['to']
  readonly #faults: Record<Transport, DnsFault> = { udp: { kind: 'pass' }, tcp: { kind: 'pass' } }
  readonly #family: 'udp4' | 'udp6'
  readonly #clients = new Set<Socket>()
  #udp: DatagramSocket | undefined
  #tcp: Server | undefined

  constructor({ to, address = loopbackAddress(), port = to.port }: DnsFaultProxyOptions) {
    this.#to = to
    this.address = address
    this.port = port
    this.#family = address.includes(':') ? 'udp6' : 'udp4'
  }

  /** `127.77.1.1:5300`. */
  get server(): string {
    return `${this.#family === 'udp6' ? `[${this.address}]` : this.address}:${this.port}`
  }

  /** From now on, for both transports or one; also for queries that were asked before and are answered later. */
  async set(fault: DnsFault, only?: Transport): Promise<void> {
    for (const transport of only === undefined ? (['udp', 'tcp'] as const) : [only]) {
      this.#faults[transport] = fault
      if (fault.kind === 'refuse') await this.#close(transport)
      else await this.#open(transport)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close('udp')
    await this.#close('tcp')
  }

  async #open(transport: Transport): Promise<void> {
    if (transport === 'udp' && this.#udp === undefined) {
      const socket = createSocket(this.#family)
      this.#udp = socket
      socket.on('message', (query, from) => this.#relayDatagram(query, (answer) => socket.send(answer, from.port, from.address)))
      await new Promise<void>((resolve, reject) => socket.once('error', reject).bind(this.port, this.address, resolve))
    }
    if (transport === 'tcp' && this.#tcp === undefined) {
      const server = createServer((client) => this.#accept(client))
      this.#tcp = server
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(this.port, this.address, resolve))
    }
  }

  async #close(transport: Transport): Promise<void> {
    const [udp, tcp] = [this.#udp, this.#tcp]
    if (transport === 'udp' && udp !== undefined) {
      this.#udp = undefined
      await new Promise<void>((resolve) => udp.close(resolve))
    }
    if (transport === 'tcp' && tcp !== undefined) {
      this.#tcp = undefined
      for (const client of this.#clients) client.resetAndDestroy()
      await new Promise((resolve) => tcp.close(resolve))
    }
  }

  #record(transport: Transport, bytes: Buffer): void {
    this.queries.push({ at: Date.now(), transport, ...questionOf(bytes), bytes: Buffer.from(bytes) })
  }

  #relayDatagram(query: Buffer, send: (answer: Buffer) => void): void {
    this.#record('udp', query)
    if (this.#faults.udp.kind === 'black-hole') return
    const peer = createSocket(this.#to.address.includes(':') ? 'udp6' : 'udp4')
    const giveUp = setTimeout(() => peer.close(), 5_000)
    giveUp.unref()
    peer.unref()
    peer.on('error', () => undefined)
    peer.on('message', (answer) => {
      clearTimeout(giveUp)
      peer.close()
      this.#later('udp', () => {
        const harmed = harm(answer, this.#faults.udp)
        if (harmed !== undefined && this.#udp !== undefined) send(harmed)
      })
    })
    peer.send(query, this.#to.port, this.#to.address)
  }

  #accept(client: Socket): void {
    this.#clients.add(client)
    const peer = connect({ host: this.#to.address, port: this.#to.port })
    for (const socket of [client, peer]) socket.setNoDelay(true).on('error', () => undefined)
    client.on('close', () => {
      this.#clients.delete(client)
      peer.destroy()
    })
    peer.on('close', () => this.#later('tcp', () => client.end()))
    onMessages(client, (query) => {
      this.#record('tcp', query)
      if (this.#faults.tcp.kind !== 'black-hole') peer.write(frame(query))
    })
    onMessages(peer, (answer) => this.#later('tcp', () => this.#giveOverTcp(client, answer)))
  }

  #giveOverTcp(client: Socket, answer: Buffer): void {
    const fault = this.#faults.tcp
    const harmed = harm(answer, fault)
    if (harmed === undefined || client.destroyed) return
    if (fault.kind === 'cut') client.end(frame(harmed, answer.length))
    else client.write(frame(harmed))
  }

  #later(transport: Transport, go: () => void): void {
    const fault = this.#faults[transport]
    if (fault.kind === 'delay') setTimeout(go, fault.ms)
    else go()
  }
}

/** Listens at once and lets everything pass until `set` says otherwise. */
export async function startDnsFaultProxy(options: DnsFaultProxyOptions): Promise<DnsFaultProxy> {
  const proxy = new DnsFaultProxy(options)
  await proxy.set({ kind: 'pass' })
  return proxy
}
