import type { Socket } from 'node:net'
import type { ConnectFailure, ProbeResult, ServiceFailure } from '../model/probe-result.ts'
import { tcpSocketFor } from './marked.ts'
import type { EndSignal } from './probe.ts'
import { type ProbeTarget, targetName } from './target.ts'

/** A connection that stands, for as long as one probe lasts. */
export interface Connection {
  readonly socket: Socket
  /** What is spoken over the socket: itself, or TLS. */
  stream: Socket
  /** Ends the probe and the connection, with a reset, so that thousands of probes leave no port waiting behind (TIME_WAIT). */
  settle(result: ProbeResult): void
  /** The same without a reset, for a backend that is still to read what it was sent. */
  leave(result: ProbeResult): void
  /** The same, with a sentence that begins with the target's name: `sends no greeting`. */
  fail(failure: ServiceFailure, what: string): void
  /** What a socket's error after the handshake says of the backend. */
  lost(error: NodeJS.ErrnoException): void
  /** What is said when the deadline comes next. */
  silence: string
  /** Goes with the result, whatever that is. */
  certificateDays?: number
}

/** Errors of connect(2) that speak of the backend; every other one speaks of this machine. */
const FAILURES: Readonly<Record<string, ConnectFailure>> = {
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  // Of ICMP: the host is isolated, or has no such protocol.
  ENONET: 'unreachable',
  ENOPROTOOPT: 'unreachable',
  ETIMEDOUT: 'timed-out',
}

const MESSAGES: Readonly<Record<ConnectFailure, (name: string) => string>> = {
  refused: (name) => `${name} refuses connections`,
  unreachable: (name) => `no way leads to ${name}`,
  'timed-out': (name) => `${name} does not answer in time`,
}

/**
 * Connects and hands the connection to `talk`, which settles. What ends it otherwise is an answer, too: a connection that does
 * not come to stand, one that is closed or reset, and the deadline. `name` is whose answers are told, where that is another one.
 */
export function overConnection(
  target: ProbeTarget,
  signal: EndSignal,
  talk: (connection: Connection) => void,
  name: string = targetName(target),
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(connectFailure(target, 'timed-out'))
    else connect(target, signal, talk, name, resolve)
  })
}

function connect(
  target: ProbeTarget,
  signal: EndSignal,
  talk: (connection: Connection) => void,
  name: string,
  resolve: (result: ProbeResult) => void,
): void {
  const made = tcpSocketFor(target)
  if ('problem' in made) {
    resolve({ outcome: 'unknown', message: made.problem })
    return
  }
  const { socket } = made
  let stands = false
  let over = false
  let isSent = false
  const leave = (result: ProbeResult) => {
    over = true
    signal.removeEventListener('abort', abort)
    socket.destroy()
    const { certificateDays } = connection
    resolve(result.outcome === 'unknown' || certificateDays === undefined ? result : { ...result, certificateDays })
  }
  const end = (result: ProbeResult) => {
    if (over) return
    over = true
    // A connection that is being closed in order cannot be reset any more.
    const closing = socket.destroyed || socket.writableEnded || connection.stream.writableEnded
    if (stands && !closing) socket.resetAndDestroy()
    leave(result)
  }
  const connection: Connection = {
    socket,
    stream: socket,
    settle: end,
    leave,
    fail: (failure, what) => end({ outcome: 'failed', failure, message: `${name} ${what}` }),
    lost: ({ code = 'without a code' }) => connection.fail('closed', lostWords(code)),
    silence: 'accepts the connection and does not answer in time',
  }
  const abort = () => (stands ? connection.fail('no-answer', connection.silence) : end(connectFailure(target, 'timed-out')))
  signal.addEventListener('abort', abort)
  // The listener for errors stays: one that comes after the end must not meet nobody.
  socket.on('error', (error: NodeJS.ErrnoException) =>
    stands ? connection.lost(error) : end(connectError(target, error, isSent)),
  )
  socket.once('connect', () => {
    stands = true
    // Whoever reads from the connection has its word of the end first.
    socket.once('close', () => setImmediate(() => connection.fail('closed', 'closes the connection without an answer')))
    talk(connection)
  })
  // A literal address: no name is looked up, and no path of a unix socket can be meant.
  const { address: host, port } = target
  const { localAddress } = made
  socket.connect({ host, port, autoSelectFamily: false, ...(localAddress !== undefined && { localAddress }) })
  // What connect(2) itself refuses is told before.
  setImmediate(() => {
    isSent = true
  })
}

/** What an error after the handshake says of the backend. */
export function lostWords(code: string): string {
  return code === 'ECONNRESET' || code === 'EPIPE' ? 'resets the connection' : `loses the connection (${code})`
}

/** Settles a probe of which there is no connection. */
export function connectFailure(target: ProbeTarget, failure: ConnectFailure): ProbeResult {
  return { outcome: 'failed', failure, message: MESSAGES[failure](targetName(target)) }
}

/** What an error before there was a connection says of the backend, or of this machine. `isTold`: it came in answer to a packet. */
export function connectError(
  target: ProbeTarget,
  { code = 'without a code' }: { readonly code?: string | undefined },
  isTold: boolean,
): ProbeResult {
  // Within the handshake a reset is ECONNREFUSED: this one came behind it, before anybody looked.
  if (code === 'ECONNRESET') return { outcome: 'failed', failure: 'closed', message: `${targetName(target)} ${lostWords(code)}` }
  // A firewall on the way, by ICMPv6; out of connect(2) itself it is a rule of this machine.
  const failure = code === 'EACCES' && isTold ? 'unreachable' : FAILURES[code]
  if (failure !== undefined) return connectFailure(target, failure)
  return { outcome: 'unknown', message: `no connection to ${targetName(target)} could be tried (${code})` }
}
