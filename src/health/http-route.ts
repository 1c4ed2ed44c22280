import type { Socket } from 'node:net'
import { formatEndpoint, type IpAddress } from '../model/address.ts'
import type { HttpProbeSpec } from '../model/probe-spec.ts'
import type { Connection } from './connection.ts'
import type { HttpQuestion } from './http-question.ts'
import { readHead } from './http1-head.ts'
import { type ProbeTarget, targetName } from './target.ts'

/** Which way a request goes to whom. */
export interface HttpRoute {
  /** Who is connected to. */
  readonly hop: ProbeTarget
  /** Whose answers are told. */
  readonly name: string
  /** Whether `hop` stands between us and the backend: its silence is not the backend's. */
  readonly foreign: boolean
  /** `host:port` that the hop is asked for a tunnel to. */
  readonly tunnel?: string
  /** `host:port` of the address that the hop is asked for in place of a path. */
  readonly absolute?: string
}

export function routeOf(target: ProbeTarget, { proxy, tls }: HttpProbeSpec): HttpRoute {
  const name = targetName(target)
  if (proxy === undefined) return { hop: target, name, foreign: false }
  if ('url' in proxy) {
    const { host, hostname, port, protocol } = new URL(proxy.url)
    const at = `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`
    return { hop: target, name, foreign: false, ...(tls === undefined ? { absolute: host } : { tunnel: at }) }
  }
  const { hostname, port } = new URL(proxy.through)
  const address = hostname.replace(/^\[|\]$/g, '') as IpAddress
  const hop = { ...target, address, port: port === '' ? 80 : Number(port) }
  return {
    hop,
    name: `${name} through the proxy ${formatEndpoint(hop.address, hop.port)}`,
    foreign: true,
    ...(tls === undefined ? { absolute: name } : { tunnel: name }),
  }
}

/** What stands in the request's first line (RFC 9112, 3.2). */
export function requestTarget({ absolute }: HttpRoute, { scheme, path }: HttpQuestion): string {
  return absolute === undefined ? path : `${scheme}://${absolute}${path}`
}

/** What a proxy answers that reaches nobody (RFC 9110, 15.6). */
const REACHES_NOBODY: ReadonlySet<number> = new Set([502, 503, 504])

/** Asks the hop for a tunnel (RFC 9110, 9.3.6), and goes on over it. */
export function throughTunnel(connection: Connection, { tunnel = '', foreign }: HttpRoute, talk: (socket: Socket) => void): void {
  const { socket } = connection
  connection.silence = 'does not open a tunnel in time'
  let bytes: Buffer = Buffer.alloc(0)
  const ended = () => connection.fail('closed', 'closes the connection without a tunnel')
  const hear = (chunk: Buffer) => {
    const searched = bytes.length
    bytes = Buffer.concat([bytes, chunk])
    const head = readHead(bytes, searched)
    if (head === undefined) return
    if ('fault' in head) return connection.fail('wrong-answer', `does not answer as a proxy does: ${head.fault}`)
    const { status, length } = head
    if (status >= 200 && status < 300) {
      socket.off('data', hear)
      socket.off('end', ended)
      socket.pause()
      if (bytes.length > length) socket.unshift(bytes.subarray(length))
      return talk(socket)
    }
    const fault = `opens no tunnel to ${tunnel}: it answers with status ${status}`
    if (!foreign || REACHES_NOBODY.has(status)) connection.fail('wrong-answer', fault)
    else connection.settle({ outcome: 'unknown', message: `the proxy ${fault}` })
  }
  socket.on('data', hear)
  socket.once('end', ended)
  socket.write(`CONNECT ${tunnel} HTTP/1.1\r\nHost: ${tunnel}\r\n\r\n`)
}
