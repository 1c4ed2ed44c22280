import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { EXPOSITION_TYPE } from './exposition.ts'
import type { Health } from './health.ts'
import { acceptsGzip, type Handler, type Route, sendJson, serveHttp } from './http-server.ts'
import { type StatusPage, statusRoutes } from './status-routes.ts'
import { whyBrowserTurnedAway } from './visitor.ts'

/** What the server shows; it asks at each request. */
export interface AdminContent {
  /** Undefined: there are none. */
  readonly metricsPath: string | undefined
  /** The exposition, piece by piece; it never throws. */
  metrics(): AsyncIterable<string>
  health(): Health
}

/** What the admin address shows beside that. */
export interface AdminPages {
  /** Absent: there is no status page. */
  readonly status?: StatusPage
  /** Host names under which browsers are answered beside addresses and localhost. */
  readonly allowedHosts?: readonly string[]
}

export interface AdminAddress {
  readonly host: string
  /** 0 lets the kernel choose one. */
  readonly port: number
}

export interface AdminServer extends AsyncDisposable {
  /** Where it listens, with the port that was given. */
  readonly address: AdminAddress
}

/** Starts to listen; rejects with ADMIN_ADDRESS where that is impossible. */
export async function startAdminServer(at: AdminAddress, content: AdminContent, pages: AdminPages = {}): Promise<AdminServer> {
  const { status, allowedHosts = [] } = pages
  const routes = new Map(status === undefined ? [] : statusRoutes(status))
  // What is configured to be at a path beats what is there by itself.
  for (const [path, route] of shown(content)) {
    routes.set(path, path === '/healthz' ? route : { ...route, handle: notForForeignPages(route.handle, allowedHosts) })
  }
  const server = await serveHttp(at, routes)
  return { address: { host: at.host, port: server.port }, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

function notForForeignPages(handle: Handler, allowedHosts: readonly string[]): Handler {
  return (request, response) => {
    const reason = whyBrowserTurnedAway(request.headers, allowedHosts)
    return reason === undefined ? handle(request, response) : sendJson(request, response, 403, { error: reason })
  }
}

/** What may be looked at, at the admin address as over the admin socket. */
export function shown(content: AdminContent): Map<string, Route> {
  const methods = ['GET', 'HEAD']
  const routes = new Map<string, Route>([
    ['/healthz', { methods, handle: (request, response) => sendAlive(request, response, content.health()) }],
    ['/readyz', { methods, handle: (request, response) => sendReady(request, response, content.health()) }],
  ])
  if (content.metricsPath !== undefined) {
    routes.set(content.metricsPath, { methods, handle: (request, response) => sendMetrics(request, response, content) })
  }
  return routes
}

/** Alive means that this process can still do its work: it answers, and its kernel worker is not stuck. */
function sendAlive(request: IncomingMessage, response: ServerResponse, health: Health): void {
  const stuck = health.reasons.filter(({ reason }) => reason === 'stuck')
  sendJson(request, response, stuck.length > 0 ? 503 : 200, { status: stuck.length > 0 ? 'stuck' : 'ok', reasons: stuck })
}

function sendReady(request: IncomingMessage, response: ServerResponse, health: Health): void {
  sendJson(request, response, health.status === 'not-ready' ? 503 : 200, health)
}

async function sendMetrics(request: IncomingMessage, response: ServerResponse, content: AdminContent): Promise<void> {
  response.setHeader('content-type', EXPOSITION_TYPE)
  response.setHeader('vary', 'accept-encoding')
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  const body = Readable.from(content.metrics(), { objectMode: true, highWaterMark: 1 })
  try {
    if (!acceptsGzip(request)) return await pipeline(body, response)
    response.setHeader('content-encoding', 'gzip')
    await pipeline(body, createGzip({ level: 1 }), response)
  } catch {
    // The client went away or read nothing for too long; pipeline has closed both ends.
  }
}
