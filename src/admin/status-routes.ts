import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { acceptsGzip, type Handler, type Route, sendJson } from './http-server.ts'
import { Pace } from './pace.ts'
import { pacedJson } from './paced-json.ts'
import { pageAssets } from './page-assets.ts'
import type { StatusFeed } from './status-feed.ts'
import { whyTurnedAway } from './visitor.ts'

/** What the status page and its API are made from. */
export interface StatusPage {
  readonly feed: StatusFeed
  /** Host names that the page answers to beside addresses and localhost. */
  readonly allowedHosts: readonly string[]
  readonly version: string
}

const METHODS = ['GET', 'HEAD']

/** Nothing but what this server itself gives, no frames, no forms, and no text that becomes markup. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

/** The page at `/` and `/status`, its files, and its API below `/api/v1`. */
export function statusRoutes(page: StatusPage): Map<string, Route> {
  const guarded = (isPage: boolean, handle: Handler): Route => ({ methods: METHODS, handle: guard(page, isPage, handle) })
  const asset =
    (name: string): Handler =>
    (request, response) =>
      sendAsset(request, response, name)
  const routes = new Map<string, Route>()
  for (const path of ['/', '/status']) routes.set(path, guarded(true, asset('index.html')))
  for (const name of PAGE_FILES) routes.set(`/page/${name}`, guarded(false, asset(name)))
  routes.set(
    '/api/v1/status',
    guarded(false, (request, response) => sendStatus(request, response, page.feed)),
  )
  routes.set(
    '/api/v1/events',
    guarded(false, (request, response) => sendEvents(request, response, page.feed)),
  )
  routes.set(
    '/api/v1/openapi.json',
    guarded(false, (request, response) => sendOpenApi(request, response, page.version)),
  )
  return routes
}

/** What the page loads; that all of them are there is tested. */
export const PAGE_FILES = ['page.css', 'page.js', 'chain.js', 'report.js', 'rows.js', 'tables.js', 'text.js', 'icon.svg'] as const

function guard({ allowedHosts }: StatusPage, isPage: boolean, handle: Handler): Handler {
  return (request, response) => {
    response.setHeader('content-security-policy', POLICY)
    response.setHeader('x-frame-options', 'DENY')
    response.setHeader('referrer-policy', 'no-referrer')
    response.setHeader('cross-origin-resource-policy', 'same-origin')
    response.setHeader('cross-origin-opener-policy', 'same-origin')
    const reason = whyTurnedAway(request.headers, allowedHosts, isPage)
    if (reason !== undefined) return sendJson(request, response, 403, { error: reason })
    return answered(handle, request, response)
  }
}

/** A defect while an answer is made is an answer as well, and no end of the daemon. */
async function answered(handle: Handler, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    await handle(request, response)
  } catch {
    if (response.headersSent) response.destroy()
    else sendJson(request, response, 500, { error: 'This answer could not be made, which is a defect; please report it.' })
  }
}

async function sendAsset(request: IncomingMessage, response: ServerResponse, name: string): Promise<void> {
  const asset = pageAssets().get(name)
  if (asset === undefined) return sendJson(request, response, 404, { error: `This build lacks ${name} of the status page.` })
  await sendText(request, response, asset.type, asset.text)
}

async function sendStatus(request: IncomingMessage, response: ServerResponse, feed: StatusFeed): Promise<void> {
  const name = new URL(request.url ?? '/', 'http://pointsman').searchParams.get('service')
  if (name === null) return sendText(request, response, JSON_TYPE, `${await feed.json()}\n`)
  const report = await feed.report()
  const services = report.services.filter(({ service, key }) => service === name || key === name)
  if (services.length === 0) return sendJson(request, response, 404, { error: 'There is no service of that name.' })
  await sendText(request, response, JSON_TYPE, `${await pacedJson({ ...report, services }, new Pace())}\n`)
}

const JSON_TYPE = 'application/json; charset=utf-8'

/** EventSource names the type that it wants, which no image or script of another page can. */
function sendEvents(request: IncomingMessage, response: ServerResponse, feed: StatusFeed): void {
  if (!`${request.headers.accept ?? ''}`.includes('text/event-stream')) {
    sendJson(request, response, 406, { error: 'This is a stream of events: ask with Accept: text/event-stream.' })
    return
  }
  response.setHeader('content-type', 'text/event-stream; charset=utf-8')
  // A proxy that gathers what it passes on would make it late.
  response.setHeader('x-accel-buffering', 'no')
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  // The feed itself ends who reads nothing; in between it may be silent for longer than others may.
  request.socket.setTimeout(0)
  response.setHeader('connection', 'close')
  if (feed.follow(response)) {
    response.flushHeaders()
    return
  }
  response.setHeader('retry-after', '10')
  sendJson(request, response, 503, { error: 'Too many follow the events already; /api/v1/status has the same.' })
}

async function sendOpenApi(request: IncomingMessage, response: ServerResponse, version: string): Promise<void> {
  const { openApi } = await import('./openapi.ts')
  await sendText(request, response, JSON_TYPE, `${JSON.stringify(openApi(version))}\n`)
}

const packed = promisify(gzip)

/** Bytes from which on it is worth to be compressed. */
const WORTH = 4_096

async function sendText(request: IncomingMessage, response: ServerResponse, type: string, text: string): Promise<void> {
  response.setHeader('vary', 'accept-encoding')
  const small = text.length < WORTH || request.method === 'HEAD' || !acceptsGzip(request)
  const body = small ? Buffer.from(text) : await packed(text, { level: 1 })
  if (!small) response.setHeader('content-encoding', 'gzip')
  response.writeHead(200, { 'content-type': type, 'content-length': body.length })
  response.end(request.method === 'HEAD' ? undefined : body)
}
