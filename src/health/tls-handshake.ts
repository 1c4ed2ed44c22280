import type { Socket } from 'node:net'
import { connect, type SecureContext, type TLSSocket } from 'node:tls'
import type { ProbeTls } from '../model/probe-spec.ts'
import { certificateFault, daysLeft } from './certificate.ts'
import type { Connection } from './connection.ts'
import type { ProbeTarget } from './target.ts'

export interface Handshake {
  readonly target: ProbeTarget
  readonly tls: ProbeTls
  readonly context: SecureContext
  /** What is offered by ALPN (RFC 7301); nothing where it is left out. */
  readonly protocols?: readonly string[]
  /** In place of the connection's own: a tunnel through a proxy. */
  readonly socket?: Socket
}

/** Speaks TLS over a connection that stands. `talk` gets it once the certificate is verified; until then nothing is sent. */
export function secure(connection: Connection, handshake: Handshake, talk: (socket: TLSSocket) => void): void {
  const { target, tls, context, protocols, socket = connection.socket } = handshake
  const name = tls.serverName ?? target.address
  connection.silence = 'does not finish the TLS handshake in time'
  const secured = connect({
    socket,
    secureContext: context,
    host: name,
    ...(tls.serverName !== undefined && { servername: tls.serverName }),
    ...(protocols !== undefined && { ALPNProtocols: [...protocols] }),
    // What is wrong with a certificate is told below, before anything is sent, together with the days it is valid for.
    rejectUnauthorized: false,
  })
  connection.stream = secured
  let finished = false
  secured.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNRESET') connection.fail('closed', finished ? 'resets the connection' : CUT_SHORT)
    else connection.fail('tls', describe(error, finished))
  })
  secured.once('secureConnect', () => {
    finished = true
    connection.silence = 'finishes the TLS handshake and does not answer in time'
    const certificate = secured.getPeerX509Certificate()
    const days = certificate && daysLeft(certificate, Date.now())
    if (days !== undefined) connection.certificateDays = days
    const fault = tls.verify && !secured.authorized ? certificateFault(codeOf(secured), certificate, name) : undefined
    if (fault === undefined) talk(secured)
    else connection.fail('tls', fault)
  })
}

const CUT_SHORT = 'ends the connection within the TLS handshake'

/** Node has a code there, though its types say an error. */
function codeOf({ authorizationError }: TLSSocket): string {
  return String(authorizationError)
}

const NOT_TLS: ReadonlySet<string> = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_HTTP_REQUEST',
])

function describe({ code = 'without a code' }: NodeJS.ErrnoException, finished: boolean): string {
  if (NOT_TLS.has(code)) return 'does not speak TLS'
  return finished ? `ends TLS (${code})` : `refuses the TLS handshake (${code})`
}
