import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2'
import type { Socket } from 'node:net'
import { PASSED } from '../model/probe-result.ts'
import type { GrpcProbeSpec } from '../model/probe-spec.ts'
import { type Connection, overConnection } from './connection.ts'
import { excerpt } from './excerpt.ts'
import { grpcCode, healthRequest, healthStatus } from './grpc-message.ts'
import { requestHttp2 } from './http2-request.ts'
import type { Probe } from './probe.ts'
import { type ProbeTarget, targetName } from './target.ts'
import { secure } from './tls-handshake.ts'
import { tlsMaterial } from './tls-material.ts'

type Head = IncomingHttpHeaders & IncomingHttpStatusHeader

/** Bytes of an answer that are read; a HealthCheckResponse has less than ten. */
const MOST = 4_096

/** Calls grpc.health.v1.Health/Check; passes when the service is SERVING. */
export function grpcProbe(target: ProbeTarget, spec: GrpcProbeSpec): Probe {
  const { tls } = spec
  const authority = tls?.serverName ?? targetName(target)
  if (tls === undefined) {
    return (signal) =>
      overConnection(target, signal, (connection) =>
        call(connection, connection.socket, spec.service, { scheme: 'http', authority }),
      )
  }
  return async (signal) => {
    const material = await tlsMaterial(tls, signal)
    if ('problem' in material) return { outcome: 'unknown', message: material.problem }
    const handshake = { target, tls, context: material.context, protocols: ['h2'] }
    return overConnection(target, signal, (connection) =>
      secure(connection, handshake, (socket) => {
        if (socket.alpnProtocol === 'h2') call(connection, socket, spec.service, { scheme: 'https', authority })
        else connection.fail('wrong-answer', 'does not speak HTTP/2 over TLS')
      }),
    )
  }
}

interface Server {
  readonly scheme: 'http' | 'https'
  readonly authority: string
}

function call(connection: Connection, socket: Socket, service: string, { scheme, authority }: Server): void {
  const stream = requestHttp2(connection, socket, {
    headers: {
      ':method': 'POST',
      ':scheme': scheme,
      ':authority': authority,
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'pointsman',
    },
    ended: false,
  })
  listen(stream, connection)
  stream.end(healthRequest(service))
}

function listen(stream: ClientHttp2Stream, connection: Connection): void {
  let head: Head | undefined
  let trailers: IncomingHttpHeaders = {}
  let body: Buffer = Buffer.alloc(0)
  stream.once('response', (headers) => {
    head = headers
  })
  stream.once('trailers', (headers) => {
    trailers = headers
  })
  stream.on('data', (chunk: Buffer) => {
    body = Buffer.concat([body, chunk])
    if (body.length > MOST) connection.fail('wrong-answer', 'answers more than a HealthCheckResponse')
  })
  stream.once('close', () => {
    if (head === undefined || stream.rstCode !== 0) {
      return connection.fail('closed', `ends the call without an answer (HTTP/2 error ${stream.rstCode})`)
    }
    // An error without any message has its code in the first and only headers.
    const fault = faultOf(head, { ...head, ...trailers }, body)
    if (fault === undefined) connection.settle(PASSED)
    else connection.fail('wrong-answer', fault)
  })
}

function faultOf(head: Head, ending: IncomingHttpHeaders, body: Buffer): string | undefined {
  const status = head[':status']
  if (status !== 200) return `answers with HTTP status ${status}`
  const code = ending['grpc-status']
  if (code === undefined) return 'does not answer as gRPC does'
  if (code !== '0') {
    const message = excerpt(String(ending['grpc-message'] ?? ''))
    return `answers ${grpcCode(String(code))}${message === '' ? '' : `: ${message}`}`
  }
  const serving = healthStatus(body)
  if (serving === 'SERVING') return undefined
  return `answers ${serving ?? 'with something else than a HealthCheckResponse'}`
}
