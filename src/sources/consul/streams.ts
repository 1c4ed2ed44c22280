import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders, sensitiveHeaders } from 'node:http2'
import { isIP, isIPv6 } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { TlsSpec } from '../../model/tls-spec.ts'
import type { AnswerHead } from './exchange.ts'
import { tlsMaterial } from './tls-material.ts'

/** Questions over one connection at a time; agents take 250, what stands in front of one perhaps fewer. */
export const STREAMS = 200

/** Milliseconds from the first packet to the end of the handshake, and from there to the first word of the other end. */
const CONNECT_TIMEOUT = 5_000

/** Milliseconds after which a connection that is still being opened is no longer waited for by those who come. */
const OPENING_ALONE = 500

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
  /** Connections that are being opened, and are no session yet. */
  readonly #unready = new Set<TLSSocket>()
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
    let isUnderWay = true
    const over = () => {
      if (isUnderWay) session.streams--
      isUnderWay = false
    }
    const closed = () => {
      over()
      signal.removeEventListener('abort', suspect)
    }
    let stream: ClientHttp2Stream
    try {
      stream = session.http2.request({ ':path': path, ...headers, [sensitiveHeaders]: secrets }, { signal, endStream: true })
    } catch (error) {
      closed()
      throw error
    }
    // Whoever has read an answer to its end asks anew before the stream is closed: on a full connection it takes the place of its own.
    stream.once('end', over).once('close', closed)
    const answered = await new Promise<IncomingHttpHeaders & { ':status'?: number }>((resolve, reject) => {
      stream.once('response', resolve)
      // It stays: a question that is given up after its answer began fails once more.
      stream.on('error', reject)
      stream.once('close', () => reject(withCode('ECONNRESET', 'the stream was closed')))
    })
    return {
      status: answered[':status'] ?? 0,
      headers: answered,
      body: stream,
      giveUp: () => stream.destroy(),
    }
  }

  /** How many questions go over one connection at a time, which is one where the agent speaks no HTTP/2; opens a connection to find out. */
  async carried(): Promise<number> {
    const session = await this.#reserve()
    if (session === undefined) return 1
    session.streams--
    return carriedBy(session.http2)
  }

  [Symbol.dispose](): void {
    this.#closed = true
    for (const { http2 } of this.#sessions) http2.destroy()
    // Else a command would end only when the last of them has failed.
    for (const socket of this.#unready) socket.destroy(closedEarly())
  }

  /** A session with one stream more. */
  async #reserve(): Promise<Session | undefined> {
    for (;;) {
      const free = this.#free()
      if (free !== undefined) {
        free.streams++
        return free
      }
      if ((await (this.#opening ?? this.#beginOpening())) === undefined) return undefined
    }
  }

  #free(): Session | undefined {
    return [...this.#sessions].find(({ http2, streams }) => !isOver(http2) && streams < carriedBy(http2))
  }

  /** Its first packet may be lost, and is sent again after a second, then two, although the network is well long before. */
  #beginOpening(): Promise<Session | undefined> {
    const opening = this.#open()
    const over = () => {
      clearTimeout(timer)
      if (this.#opening === opening) this.#opening = undefined
    }
    const timer = setTimeout(over, OPENING_ALONE).unref()
    this.#opening = opening
    opening.then(over, over)
    return opening
  }

  async #open(): Promise<Session | undefined> {
    const socket = await this.#connect()
    if (socket.alpnProtocol !== 'h2' || this.#closed) {
      socket.destroy()
      return undefined
    }
    const other = this.#free()
    if (other !== undefined) {
      socket.destroy()
      return other
    }
    const settings = { enablePush: false, initialWindowSize: WINDOW }
    const { host } = this.#place
    const http2 = connect(`https://${isIPv6(host) ? `[${host}]` : host}`, { createConnection: () => socket, settings })
    http2.once('connect', () => http2.setLocalWindowSize(4 * WINDOW))
    await settingsOf(http2, socket)
    if (this.#closed) {
      http2.destroy()
      return undefined
    }
    // The other end may take leave with its first words.
    if (isOver(http2)) throw closedEarly()
    const session: Session = { http2, streams: 0, suspected: false }
    const forget = () => this.#sessions.delete(session)
    http2.on('error', forget).on('goaway', forget).on('close', forget)
    this.#sessions.add(session)
    this.#unready.delete(socket)
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
      this.#unready.add(socket)
      socket.once('close', () => this.#unready.delete(socket))
      // There are moments in which nobody else listens.
      socket.on('error', () => {})
      socket.setTimeout(CONNECT_TIMEOUT, () => socket.destroy(noAnswer()))
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

/** Whether nothing more can be asked over it; that is told only later. */
function isOver({ closed, destroyed }: ClientHttp2Session): boolean {
  return closed || destroyed
}

function closedEarly(): Error {
  return withCode('ECONNRESET', 'the session was closed')
}

function noAnswer(): Error {
  return withCode('ETIMEDOUT', 'no answer')
}

/** As errors of sockets have it: by the code it is told what befell a question. */
function withCode(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}

/** Questions that the other end lets go at a time; one beyond them would wait for the end of another, which may be minutes. */
function carriedBy({ remoteSettings }: ClientHttp2Session): number {
  return Math.max(1, Math.min(STREAMS, remoteSettings.maxConcurrentStreams ?? STREAMS))
}

/** Resolves when the other end has said what it takes, which is its first word; rejects when the connection ends before. */
function settingsOf(http2: ClientHttp2Session, socket: TLSSocket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const end = (error: Error) => {
    reject(error)
    http2.destroy()
  }
  const closed = () => end(closedEarly())
  const timer = setTimeout(() => end(noAnswer()), CONNECT_TIMEOUT)
  http2.once('remoteSettings', () => resolve())
  http2.on('error', reject).once('close', closed)
  socket.on('error', reject).once('close', closed)
  return promise.finally(() => clearTimeout(timer))
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
        if (!signal.aborted) return resolve(session)
        if (session !== undefined) session.streams--
        giveUp()
      }, reject)
      .finally(() => signal.removeEventListener('abort', giveUp))
  })
}
