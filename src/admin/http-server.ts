import { chmod, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, isIPv6 } from 'node:net'
import { PointsmanError } from '../errors.ts'
import { limitConnections } from './connections.ts'

/** Where a server listens: an address (port 0 lets the kernel choose one), or a unix socket that its owner alone may use. */
export type ListenAt = { readonly host: string; readonly port: number } | { readonly socket: string }

export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void

/** What is at a path. */
export interface Route {
  readonly methods: readonly string[]
  readonly handle: Handler
}

export interface HttpServer extends AsyncDisposable {
  /** The port that it got; 0 for a socket. */
  readonly port: number
}

/** Milliseconds: a client that sends or reads nothing for so long loses its connection. */
const IDLE = 10_000
const MAXIMUM_CONNECTIONS = 64

/** Starts to listen; rejects with ADMIN_ADDRESS where that is impossible. */
export async function serveHttp(at: ListenAt, routes: ReadonlyMap<string, Route>): Promise<HttpServer> {
  const server = createServer(
    {
      headersTimeout: IDLE,
      requestTimeout: IDLE,
      keepAliveTimeout: IDLE,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 8_192,
    },
    dispatch(routes),
  )
  server.timeout = IDLE
  limitConnections(server, MAXIMUM_CONNECTIONS)
  await ('socket' in at ? listenOnSocket(server, at.socket) : listenOnAddress(server, at))
  const bound = server.address()
  const port = bound !== null && typeof bound === 'object' ? bound.port : 0
  return { port, [Symbol.asyncDispose]: () => close(server) }
}

export function sendJson(request: IncomingMessage, response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(text) })
  response.end(request.method === 'HEAD' ? undefined : text)
}

/** RFC 9110 section 12.5.3, as far as scrapers use it: gzip named, and not with a weight of zero. */
export function acceptsGzip(request: IncomingMessage): boolean {
  const accepted = `${request.headers['accept-encoding'] ?? ''}`.toLowerCase().split(',')
  return accepted.some((item) => /^\s*gzip\s*(;|$)/.test(item) && !/;\s*q=0(\.0*)?\s*$/.test(item))
}

function dispatch(routes: ReadonlyMap<string, Route>): Handler {
  return (request, response) => {
    response.setHeader('cache-control', 'no-store')
    response.setHeader('x-content-type-options', 'nosniff')
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
    const route = routes.get(path)
    if (route === undefined) return sendJson(request, response, 404, { error: `There is nothing at ${path}.` })
    if (!route.methods.includes(request.method ?? '')) {
      response.setHeader('allow', route.methods.join(', '))
      return sendJson(request, response, 405, { error: `${path} takes ${route.methods.join(' and ')} only.` })
    }
    return route.handle(request, response)
  }
}

async function listenOnAddress(server: Server, at: { readonly host: string; readonly port: number }): Promise<void> {
  const listenAs = (host: string): Promise<void> =>
    listen(
      server,
      () => server.listen(at.port, host),
      (error) => addressError(error, at),
    )
  try {
    await listenAs(at.host)
  } catch (error) {
    const { code } = (error as PointsmanError).cause as NodeJS.ErrnoException
    const instead = hostInstead(at.host, code)
    if (instead === undefined) throw error
    await listenAs(instead)
  }
}

/** Where to listen after `errno`: on a kernel that was started with `ipv6.disable=1` every address is every one of IPv4. */
export function hostInstead(host: string, errno: string | undefined): string | undefined {
  return host === '::' && errno === 'EAFNOSUPPORT' ? '0.0.0.0' : undefined
}

async function listenOnSocket(server: Server, path: string): Promise<void> {
  if ((await socketState(path)) !== 'dead') throw socketError(path, 'another process serves it; stop that one first')
  await rm(path, { force: true }).catch(() => {})
  await listen(
    server,
    () => bindPrivately(server, path),
    (error) => socketError(path, bindProblem(error), error),
  )
  await chmod(path, 0o600)
}

/** The socket must not be open to others even for the moment between bind(2) and chmod(2). */
function bindPrivately(server: Server, path: string): void {
  const mask = process.umask(0o177)
  try {
    server.listen(path)
  } finally {
    process.umask(mask)
  }
}

function listen(server: Server, begin: () => void, refused: (error: NodeJS.ErrnoException) => Error): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => reject(refused(error))
    server.once('error', failed)
    server.once('listening', () => {
      server.off('error', failed)
      // Later errors are those of accepting one connection (EMFILE): the next client may have more luck.
      server.on('error', () => {})
      resolve()
    })
    begin()
  })
}

/** `dead`: there is none, or one that a killed process left behind. `forbidden`: another user's, who may be there or not. */
export function socketState(path: string): Promise<'served' | 'forbidden' | 'dead'> {
  return new Promise((resolve) => {
    const probe = connect(path)
    probe.on('connect', () => {
      probe.destroy()
      resolve('served')
    })
    probe.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'EACCES' || code === 'EPERM') resolve('forbidden')
      // A full queue of those who wait to be served.
      else resolve(code === 'EAGAIN' ? 'served' : 'dead')
    })
  })
}

function addressError(error: NodeJS.ErrnoException, at: { readonly host: string; readonly port: number }): PointsmanError {
  const where = `${isIPv6(at.host) ? `[${at.host}]` : at.host}:${at.port}`
  const cure = 'set global.admin to another address or stop what holds it'
  const why: Record<string, string> = {
    EADDRINUSE: `another process listens there; ${cure}`,
    EADDRNOTAVAIL: 'no interface of this host has that address; set global.admin to one that it has',
    EACCES: 'ports below 1024 need root or CAP_NET_BIND_SERVICE; set global.admin to a higher port',
  }
  const reason = why[error.code ?? ''] ?? `${error.message}; ${cure}`
  return new PointsmanError('ADMIN_ADDRESS', `The admin address ${where} cannot be used: ${reason}.`, { cause: error })
}

/** Bytes that `sun_path` takes (unix(7)), less the terminating zero. */
const LONGEST_PATH = 107

function bindProblem(error: NodeJS.ErrnoException): string {
  return error.code === 'EINVAL' || error.code === 'ENAMETOOLONG'
    ? `its path is longer than ${LONGEST_PATH} bytes; set global.state_dir to a shorter one`
    : error.message
}

function socketError(path: string, reason: string, cause?: unknown): PointsmanError {
  return new PointsmanError('ADMIN_ADDRESS', `The admin socket ${path} cannot be used: ${reason}.`, { cause })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
