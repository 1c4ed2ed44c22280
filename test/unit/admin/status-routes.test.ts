import { readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, test } from 'vitest'
import { type AdminServer, startAdminServer } from '../../../src/admin/server.ts'
import { StatusFeed } from '../../../src/admin/status-feed.ts'
import { PAGE_FILES } from '../../../src/admin/status-routes.ts'
import type { StatusReport } from '../../../src/admin/status-schema.ts'
import { backendReport, serviceReport, statusReport } from './reports.ts'

const FOLDER = 'src/admin/page'
const REPORT = statusReport([serviceReport('web', [backendReport('10.0.0.1:80')]), serviceReport('api', [])])

let server: AdminServer | undefined
let feed: StatusFeed | undefined

afterEach(async () => {
  feed?.[Symbol.dispose]()
  await server?.[Symbol.asyncDispose]()
})

async function serve(collect: () => Promise<StatusReport> = async () => REPORT, metricsPath = '/metrics'): Promise<number> {
  feed = new StatusFeed({ collect })
  const content = {
    metricsPath,
    health: () => ({ status: 'ready' as const, reasons: [] }),
    async *metrics() {
      yield 'a 1\n'
    },
  }
  const status = { feed, allowedHosts: ['lb1.example'], version: '1.2.3' }
  server = await startAdminServer({ host: '127.0.0.1', port: 0 }, content, { status, allowedHosts: status.allowedHosts })
  return server.address.port
}

interface Answer {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** As no browser would let a page ask: with any Host. */
async function ask(port: number, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false })
  sent.end()
  const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    sent.on('response', resolve)
    sent.on('error', reject)
  })
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}

const PATHS = ['/', '/status', '/api/v1/status', '/api/v1/openapi.json', ...PAGE_FILES.map((name) => `/page/${name}`)]

describe('the page', () => {
  test('all its files are served, and what it names is among them', async () => {
    const files = readdirSync(FOLDER).filter((name) => name !== 'index.html')
    expect([...PAGE_FILES].toSorted()).toEqual(files.toSorted())
    const port = await serve()
    for (const name of PAGE_FILES) {
      expect((await ask(port, `/page/${name}`)).body).toBe(readFileSync(`${FOLDER}/${name}`, 'utf8'))
    }
    const page = await ask(port, '/')
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    for (const [, path] of page.body.matchAll(/(?:src|href)="(page\/[^"]+)"/g)) {
      expect((await ask(port, `/${path}`)).status).toBe(200)
    }
  })

  test('nothing in it leads elsewhere, and no text is ever markup', () => {
    const sources = readdirSync(FOLDER).map((name) => readFileSync(`${FOLDER}/${name}`, 'utf8'))
    const all = sources.join('\n').replace('xmlns="http://www.w3.org/2000/svg"', '')
    expect(all).not.toMatch(/https?:\/\//)
    expect(all).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function/)
    expect(all).not.toMatch(/ style="| on[a-z]+="/)
  })

  test.each(PATHS)('%s has the headers that keep other pages out', async (path) => {
    const { status, headers } = await ask(await serve(), path)
    expect(status).toBe(200)
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; /)
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
    })
    expect(headers['access-control-allow-origin']).toBeUndefined()
  })

  test.each(PATHS)('%s is read only: HEAD is GET without a body, all else is 405', async (path) => {
    const port = await serve()
    const head = await ask(port, path, {}, 'HEAD')
    expect([head.status, head.body]).toEqual([200, ''])
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const answer = await ask(port, path, {}, method)
      expect([answer.status, answer.headers['allow']]).toEqual([405, 'GET, HEAD'])
    }
  })

  test.each([...PATHS, '/api/v1/events'])('%s does not answer a name that is not its own, or another origin', async (path) => {
    const port = await serve()
    const accept = { accept: 'text/event-stream' }
    for (const hostile of [{ host: 'evil.example' }, { origin: 'http://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
      const { status, headers, body } = await ask(port, path, { ...accept, ...hostile } as Record<string, string>)
      expect(status).toBe(403)
      expect(body).not.toContain('web')
      expect(headers['content-type']).toBe('application/json; charset=utf-8')
    }
  })

  test('answers the names that are allowed; metrics and health answer any, for scrapers use names', async () => {
    const port = await serve()
    expect((await ask(port, '/', { host: 'lb1.example:9095' })).status).toBe(200)
    for (const path of ['/metrics', '/healthz', '/readyz']) {
      expect((await ask(port, path, { host: 'director-1.internal:9095' })).status).toBe(200)
    }
  })

  test.each(['/metrics', '/readyz'])('%s answers no browser under a name that is not its own', async (path) => {
    const port = await serve()
    const browser = { 'accept-language': 'en' }
    expect((await ask(port, path, { ...browser, host: 'lb1.example:9095' })).status).toBe(200)
    const { status, body } = await ask(port, path, { ...browser, host: 'evil.example' })
    expect([status, body]).toEqual([403, expect.stringContaining('admin_allowed_hosts')])
  })

  test('a metrics path that is configured beats it', async () => {
    const port = await serve(undefined, '/')
    expect((await ask(port, '/')).body).toBe('a 1\n')
    expect((await ask(port, '/status')).body).toContain('<!doctype html>')
  })
})

describe('the API', () => {
  test('the whole, or one service by its name or key', async () => {
    const port = await serve()
    expect(JSON.parse((await ask(port, '/api/v1/status')).body)).toEqual({ ...REPORT, revision: 1 })
    const one = JSON.parse((await ask(port, '/api/v1/status?service=api')).body)
    expect(one.services.map(({ service }: { service: string }) => service)).toEqual(['api'])
    expect((await ask(port, '/api/v1/status?service=tcp/web:80')).status).toBe(200)
    const { status, body } = await ask(port, '/api/v1/status?service=<script>')
    expect([status, body]).toEqual([404, '{"error":"There is no service of that name."}\n'])
  })

  test('compressed for who asks', async () => {
    const many = statusReport([
      serviceReport(
        'web',
        Array.from({ length: 100 }, (_, host) => backendReport(`10.0.0.${host}:80`)),
      ),
    ])
    const port = await serve(async () => many)
    expect((await ask(port, '/api/v1/status', { 'accept-encoding': 'gzip' })).headers['content-encoding']).toBe('gzip')
    expect(await (await fetch(`http://127.0.0.1:${port}/api/v1/status`)).json()).toEqual({ ...many, revision: 1 })
  })

  test('a defect is an answer', async () => {
    const port = await serve(() => Promise.reject(new Error('secret detail')))
    const { status, body } = await ask(port, '/api/v1/status')
    expect(status).toBe(500)
    expect(body).not.toContain('secret')
    expect((await ask(port, '/metrics')).status).toBe(200)
  })

  test('events are for who asks for events: no image of another page can hold a place', async () => {
    const port = await serve()
    expect((await ask(port, '/api/v1/events', { accept: 'image/png' })).status).toBe(406)
    expect(feed?.clients).toBe(0)
  })
})
