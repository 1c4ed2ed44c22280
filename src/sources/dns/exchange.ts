import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import type { NameServer } from '../../model/dns-source-spec.ts'
import { type DnsMessage, type MessageCodec, messageCodec, PAYLOAD, type Question, TYPE } from './message.ts'

/** What one server said to one question. */
export type Exchanged =
  /** `partial`: the answer may lack records although it does not say so. */
  { readonly ok: true; readonly message: DnsMessage; readonly partial: boolean } | Failed

export interface Failed {
  readonly ok: false
  readonly trouble: 'timeout' | 'servfail'
  /** Whether the server may answer if it is asked once more: a datagram may have been lost. */
  readonly silent: boolean
  /** What the server does, as a sentence goes on behind its name. */
  readonly what: string
}

export interface ExchangeOptions {
  readonly tcpOnly: boolean
  /** Milliseconds for the whole exchange, a repetition over TCP included. */
  readonly timeout: number
  /** Aborted: every socket is closed, and nothing is said any more. */
  readonly signal: AbortSignal
}

export type Exchange = (server: NameServer, question: Question, options: ExchangeOptions) => Promise<Exchanged>

const RCODE = { NOERROR: 0, FORMERR: 1, NXDOMAIN: 3, NOTIMP: 4, BADVERS: 16 } as const

/** A UDP answer above this share of the payload may have been trimmed to fit (Consul does so without TC). */
const NEARLY_FULL = 0.8

/** Bytes of an answer over TCP, which has 65,535 at most, above which it may have been trimmed to fit (Consul does so without TC). */
const FULL_OVER_TCP = 64_000

/** Numbers of records at which Consul cuts off an answer over TCP, whatever its size. */
const CUT_OFF_AT: ReadonlySet<number> = new Set([1_024, 4_096])

/**
 * Asks one server. UDP on a connected socket of its own with a random port; TCP where the answer is truncated, nearly fills
 * the payload, or where only TCP is wanted, all within one deadline. An answer counts only with our id and our question.
 */
export const exchange: Exchange = async (server, question, { tcpOnly, timeout, signal }) => {
  const codec = await messageCodec()
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeout)])
  const carrier = tcpOnly ? overTcp : overUdp
  let payload = PAYLOAD
  let reply = await carrier(server, query(codec, question, true), deadline)
  if (reply.kind === 'answer' && refusesEdns(reply.message)) {
    payload = 512
    reply = await carrier(server, query(codec, question, false), deadline)
  }
  if (reply.kind !== 'answer') return failed(reply, timeout, tcpOnly)
  const { message, bytes } = reply
  if (tcpOnly) return overTcpAlone(message, bytes)
  if (!(message.truncated || bytes > payload * NEARLY_FULL)) return whole(message)
  const repeated = await overTcp(server, query(codec, question, payload === PAYLOAD), deadline)
  if (repeated.kind === 'answer' && (message.truncated || isAnswer(repeated.message)))
    return whole(repeated.message, repeated.bytes > FULL_OVER_TCP)
  if (!message.truncated) return { ok: true, message, partial: true }
  const failure = failed(repeated, timeout, true)
  return { ...failure, silent: false, what: `truncates its answer over UDP, and then ${failure.what}` }
}

/** From a server that is asked over TCP only because it trims its answers in silence, or may. */
function overTcpAlone(message: DnsMessage, bytes: number): Exchanged {
  return whole(message, bytes > FULL_OVER_TCP || CUT_OFF_AT.has(message.answers.length))
}

function whole(message: DnsMessage, partial = false): Exchanged {
  if (!message.truncated) return { ok: true, message, partial }
  return { ok: false, trouble: 'servfail', silent: false, what: 'truncates its answer even over TCP' }
}

function failed(reply: Reply, timeout: number, tcp: boolean): Failed {
  const over = tcp ? ' over TCP' : ''
  switch (reply.kind) {
    case 'unreachable':
      return { ok: false, trouble: 'timeout', silent: false, what: `cannot be reached${over} (${reply.reason})` }
    case 'silence': {
      const what = reply.nonsense ? 'sends nothing that answers the question' : `gives no answer${over} within ${timeout} ms`
      return { ok: false, trouble: 'timeout', silent: true, what }
    }
    default:
      return { ok: false, trouble: 'servfail', silent: false, what: `sends no valid answer${over}` }
  }
}

function isAnswer({ rcode }: DnsMessage): boolean {
  return rcode === RCODE.NOERROR || rcode === RCODE.NXDOMAIN
}

function refusesEdns({ rcode }: DnsMessage): boolean {
  return rcode === RCODE.FORMERR || rcode === RCODE.NOTIMP || rcode === RCODE.BADVERS
}

interface Query {
  readonly bytes: Uint8Array
  /** The message when it is an answer to this very query. */
  readonly answerIn: (bytes: Uint8Array) => DnsMessage | undefined
}

function query(codec: MessageCodec, question: Question, edns: boolean): Query {
  const id = randomInt(0x10000)
  return {
    bytes: codec.encode(question, id, edns),
    answerIn(bytes) {
      const message = codec.decode(bytes)
      if (message === undefined || message.id !== id || !message.isResponse) return undefined
      const { question: asked } = message
      // A server that does not understand a query need not repeat its question.
      if (asked === undefined) return refusesEdns(message) ? message : undefined
      return asked.name === question.name && asked.type === TYPE[question.type] && asked.class === 1 ? message : undefined
    },
  }
}

type Reply =
  | { readonly kind: 'answer'; readonly message: DnsMessage; readonly bytes: number }
  | { readonly kind: 'unreachable'; readonly reason: string }
  | { readonly kind: 'silence'; readonly nonsense: boolean }
  | { readonly kind: 'nonsense' }

/** Datagrams that are no answer to the query are passed over: anybody who guesses the port can send some. */
function overUdp({ address, port }: NameServer, { bytes, answerIn }: Query, deadline: AbortSignal): Promise<Reply> {
  const { promise, resolve } = Promise.withResolvers<Reply>()
  if (deadline.aborted) return Promise.resolve({ kind: 'silence', nonsense: false })
  let nonsense = false
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  const expire = () => resolve({ kind: 'silence', nonsense })
  deadline.addEventListener('abort', expire, { once: true })
  socket.on('error', (error) => resolve({ kind: 'unreachable', reason: reasonOf(error) }))
  socket.on('message', (datagram) => {
    const message = answerIn(datagram)
    if (message === undefined) nonsense = true
    else resolve({ kind: 'answer', message, bytes: datagram.length })
  })
  socket.once('connect', () => socket.send(bytes))
  socket.connect(port, address)
  return promise.finally(() => {
    deadline.removeEventListener('abort', expire)
    socket.close()
  })
}

/** RFC 7766: the message behind its length in two bytes. */
function overTcp({ address, port }: NameServer, { bytes, answerIn }: Query, deadline: AbortSignal): Promise<Reply> {
  const { promise, resolve } = Promise.withResolvers<Reply>()
  if (deadline.aborted) return Promise.resolve({ kind: 'silence', nonsense: false })
  const socket = connect({ host: address, port })
  const expire = () => resolve({ kind: 'silence', nonsense: false })
  deadline.addEventListener('abort', expire, { once: true })
  let received: Uint8Array = new Uint8Array()
  socket.on('error', (error) => resolve({ kind: 'unreachable', reason: reasonOf(error) }))
  socket.on('close', () => resolve({ kind: 'nonsense' }))
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    const [high, low] = received
    if (high === undefined || low === undefined) return
    const length = (high << 8) | low
    if (received.length < 2 + length) return
    const message = answerIn(received.subarray(2, 2 + length))
    resolve(message === undefined ? { kind: 'nonsense' } : { kind: 'answer', message, bytes: length })
  })
  socket.write(Buffer.concat([Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes]))
  return promise.finally(() => {
    deadline.removeEventListener('abort', expire)
    socket.destroy()
  })
}

function reasonOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message
}
