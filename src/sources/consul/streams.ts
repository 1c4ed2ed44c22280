import { type ClientHttp2Session, connect, type IncomingHttpHeaders, sensitiveHeaders } from 'node:http2'
import { isIP } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { TlsSpec } from '../../model/tls-spec.ts'
import type { AnswerHead } from './exchange.ts'
import { tlsMaterial } from './tls-material.ts'

/** Questions over one connection at a time; agents take 250. */
export const STREAMS = 200

/** Milliseconds from the first packet to the end of the handshake. */
const CONNECT_TIMEOUT = 5_000

/** Milliseconds of silence after which the other end is asked whether it is there. */
const KEEPALIVE = 15_000

/** Milliseconds for the echo of a session that is under suspicion. */
const ECHO_TIMEOUT = 2_000

/** Bytes that may be under way for one question; four times that for a session. */
const WINDOW = 1024 * 1024

interface Session {
  readonly http2: ClientHttp2Session
  streams: number
  /** It is being looked at whether it still leads to the agent. */
  suspected: boolean
}

/** Many questions over few connections by HTTP/2, which agents speak over TLS. */
export class Streams implements Disposable {
  readonly #place: { readonly host: string; readonly port: number }
  readonly #tls: TlsSpec
  readonly #sessions = new Set<Session>()
  #opening: Promise<Session | undefined> | undefined
  #closed = false

  constructor(place: { readonly host: string; readonly port: number }, tls: TlsSpec) {
    this.#place = place
    this.#tls = tls
  }

  /** The head of the answer; undefined where the agent speaks no HTTP/2. */
  async send(path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<AnswerHead | undefined> {
    const session = await orAborted(this.#reserve(), signal)
    if (session === undefined) return undefined
    const secrets = Object.keys(headers).filter((name) => name.toLowerCase() === 'x-consul-token')
    // A connection that leads nowhere swallows every question: who gives up has it looked at.
    const suspect = () => suspectSession(session)
    signal.addEventListener('abort', suspect)
    const stream = session.http2.request({ ':path': path, ...headers, [sensitiveHeaders]: secrets }, { signal, endStream: true })
    stream.once('close', () => {
      session.streams--
      signal.removeEventListener('abort', suspect)
    })
    const answered = await new Promise<IncomingHttpHeaders & { ':status'?: number }>((resolve, reject) => {
      stream.once('response', resolve)
      // It stays: a question that is given up after its answer began fails once more.
      stream.on('error', reject)
      stream.once('close', () => reject(Object.assign(new Error('the stream was closed'), { code: 'ECONNRESET' })))
    })
    return {
      status: answered[':status'] ?? 0,
      headers: answered,
      body: stream,
      giveUp: () => stream.destroy(),
    }
  }

  /** Whether the agent speaks HTTP/2; opens a connection to find out. */
  async spoken(): Promise<boolean> {
    const session = await this.#reserve()
    if (session !== undefined) session.streams--
    return session !== undefined
  }

  [Symbol.dispose](): void {
    this.#closed = true
    for (const { http2 } of this.#sessions) http2.destroy()
  }

  /** A session with one stream more. */
  async #reserve(): Promise<Session | undefined> {
    for (;;) {
      const free = [...this.#sessions].find(({ streams }) => streams < STREAMS)
      if (free !== undefined) {
        free.streams++
        return free
      }
      this.#opening ??= this.#open().finally(() => {
        this.#opening = undefined
      })
      if ((await this.#opening) === undefined) return undefined
    }
  }

  async #open(): Promise<Session | undefined> {
    const socket = await this.#connect()
    if (socket.alpnProtocol !== 'h2' || this.#closed) {
      socket.destroy()
      return undefined
    }
    const settings = { enablePush: false, initialWindowSize: WINDOW }
    const http2 = connect(`https://${this.#place.host}`, { createConnection: () => socket, settings })
    http2.once('connect', () => http2.setLocalWindowSize(4 * WINDOW))
    const session: Session = { http2, streams: 0, suspected: false }
    const forget = () => this.#sessions.delete(session)
    http2.on('error', forget).on('goaway', forget).on('close', forget)
    this.#sessions.add(session)
    return session
  }

  async #connect(): Promise<TLSSocket> {
    const { host, port } = this.#place
    const material = await tlsMaterial(this.#tls)
    const servername = material.servername ?? (isIP(host) === 0 ? host : undefined)
    return new Promise((resolve, reject) => {
      const socket = connectTls({
        host,
        port,
        ALPNProtocols: ['h2', 'http/1.1'],
        ...material,
        ...(servername !== undefined && { servername }),
      })
      socket.setTimeout(CONNECT_TIMEOUT, () => socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })))
      socket.once('error', reject)
      socket.once('secureConnect', () => {
        socket.setTimeout(0)
        // A host that has vanished says nothing, and a question may wait for minutes.
        socket.setKeepAlive(true, KEEPALIVE)
        socket.off('error', reject)
        resolve(socket)
      })
    })
  }
}

/** Ends a session whose other end does not answer. */
function suspectSession(session: Session): void {
  const { http2 } = session
  if (session.suspected || http2.destroyed) return
  session.suspected = true
  const timer = setTimeout(() => http2.destroy(), ECHO_TIMEOUT).unref()
  http2.ping(() => {
    clearTimeout(timer)
    session.suspected = false
  })
}

/** Gives up waiting, and the stream with it when it comes all the same. */
function orAborted(reserved: Promise<Session | undefined>, signal: AbortSignal): Promise<Session | undefined> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason)
    signal.addEventListener('abort', giveUp)
    reserved
      .then((session) => {
        if (signal.aborted && session !== undefined) session.streams--
        resolve(session)
      }, reject)
      .finally(() => signal.removeEventListener('abort', giveUp))
  })
}
