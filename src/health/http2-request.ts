import { type ClientHttp2Stream, connect, constants, type OutgoingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'
import type { Connection } from './connection.ts'

/** Whom Node takes the connection to lead to. It stands already, and the request names its authority itself, which need not be an address. */
const ANYBODY = 'http://pointsman.invalid'

/** Begins a request by HTTP/2 over a connection that stands; `ended`: nothing follows its head. */
export function requestHttp2(
  connection: Connection,
  socket: Socket,
  question: { readonly headers: OutgoingHttpHeaders; readonly ended: boolean },
): ClientHttp2Stream {
  const session = connect(ANYBODY, { createConnection: () => socket })
  // The socket tells of its errors, the stream of those of HTTP/2.
  session.on('error', () => {})
  const stream = session.request(question.headers, { endStream: question.ended })
  stream.on('error', ({ code }: NodeJS.ErrnoException) => {
    // Else the server ends the request, whose code `close` tells.
    if (code === 'ERR_HTTP2_ERROR') connection.fail('wrong-answer', 'does not speak HTTP/2')
  })
  session.on('goaway', (code, last) => {
    // Who takes leave in order still answers what came in before, up to that stream (RFC 9113, 6.8).
    if (code === constants.NGHTTP2_NO_ERROR && (stream.id ?? 0) <= last) return
    connection.fail('closed', `takes leave without an answer (GOAWAY ${code})`)
  })
  return stream
}
