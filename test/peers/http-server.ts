/** A scripted HTTP or HTTPS server for lists of endpoints. */

import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Server, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Certificate } from './certificates.ts'
import { loopbackAddress } from './place.ts'

export interface SeenRequest {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Counts connections from 1: requests with the same number shared one. */
  readonly connection: number
  /** The common name in the client's certificate, if it showed one. */
  readonly clientName?: string
}

/** What to answer. A function may do as it likes with the response; it must end it, or leave it hanging on purpose. */
export type Reply =
  | { readonly status?: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string | Buffer }
  | ((request: SeenRequest, response: ServerResponse) => void)

export interface HttpServerOptions {
  /** Left out: a loopback address of its own. */
  readonly address?: string
  /** Left out: 8080. */
  readonly port?: number
  /** HTTPS with this certificate. */
  readonly tls?: {
    readonly certificate: Certificate /** PEM of the authority whose clients alone are let in. */
    readonly clientCa?: string
  }
}

/** A list as Prometheus HTTP SD writes it. */
export function listReply(list: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return { headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(list) }
}

export class ScriptedServer implements AsyncDisposable {
  readonly address: string
  readonly port: number
  /** `http://127.77.1.1:8080`, without a slash at the end. */
  readonly url: string
  readonly requests: SeenRequest[] = []
  readonly #server: Server
  readonly #sockets = new Map<Socket, number>()
  readonly #once: Reply[] = []
  #reply: Reply = { status: 404 }
  #connections = 0

  constructor({ address = loopbackAddress(), port = 8080, tls }: HttpServerOptions) {
    this.address = address
    this.port = port
    this.url = `${tls === undefined ? 'http' : 'https'}://${address.includes(':') ? `[${address}]` : address}:${port}`
    const listener = (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response)
    this.#server =
      tls === undefined
        ? createServer(listener)
        : createTlsServer(
            {
              cert: tls.certificate.cert,
              key: tls.certificate.key,
              ...(tls.clientCa !== undefined && { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
            },
            listener,
          )
    this.#server.on('connection', (socket: Socket) => {
      this.#connections += 1
      this.#sockets.set(socket, this.#connections)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  /** Connections accepted so far. */
  get connections(): number {
    return this.#connections
  }

  /** Every request from now on is answered so. */
  reply(reply: Reply): void {
    this.#reply = reply
  }

  /** The next requests are answered so, one each, before `reply` counts again. */
  replyOnce(...replies: readonly Reply[]): void {
    this.#once.push(...replies)
  }

  /** Ends every connection that is open. */
  drop(): void {
    for (const socket of this.#sockets.keys()) socket.destroy()
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.port, this.address, () => resolve())
    })
  }

  /** Nobody listens any more; `listen` opens it again. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.drop()
    await closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    request.on('error', () => undefined)
    response.on('error', () => undefined)
    for await (const chunk of request) chunks.push(chunk)
    const seen = this.#seen(request, Buffer.concat(chunks).toString())
    this.requests.push(seen)
    const reply = this.#once.shift() ?? this.#reply
    if (typeof reply === 'function') reply(seen, response)
    else {
      const { status = 200, headers, body = '' } = reply
      response.writeHead(status, { ...(status !== 304 && { 'content-length': Buffer.byteLength(body) }), ...headers }).end(body)
    }
  }

  #seen({ method = '', url = '', headers, socket }: IncomingMessage, body: string): SeenRequest {
    const clientName = 'getPeerCertificate' in socket ? (socket as TLSSocket).getPeerCertificate().subject?.CN : undefined
    const plain = [...this.#sockets].find(([known]) => known.remotePort === socket.remotePort)
    return {
      at: Date.now(),
      method,
      path: url,
      headers,
      body,
      connection: plain?.[1] ?? 0,
      ...(typeof clientName === 'string' && { clientName }),
    }
  }
}

export async function startHttpServer(options: HttpServerOptions = {}): Promise<ScriptedServer> {
  const server = new ScriptedServer(options)
  await server.listen()
  return server
}
