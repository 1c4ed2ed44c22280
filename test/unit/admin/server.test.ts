import { once } from 'node:events'
import { connect, Server } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Health } from '../../../src/admin/health.ts'
import { type AdminContent, type AdminServer, startAdminServer } from '../../../src/admin/server.ts'

let server: AdminServer | undefined

afterEach(async () => {
  await server?.[Symbol.asyncDispose]()
  server = undefined
})

const READY: Health = { status: 'ready', reasons: [] }

async function serve(content: Partial<AdminContent> = {}): Promise<string> {
  server = await startAdminServer(
    { host: '127.0.0.1', port: 0 },
    {
      metricsPath: '/metrics',
      health: () => READY,
      async *metrics() {
        yield 'a 1\n'
        yield 'b 2\n'
      },
      ...content,
    },
  )
  return `http://127.0.0.1:${server.address.port}`
}

describe('paths and methods', () => {
  test('the metrics, piece by piece', async () => {
    const response = await fetch(`${await serve()}/metrics?x=1`, { headers: { 'accept-encoding': 'identity' } })
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(await response.text()).toBe('a 1\nb 2\n')
  })

  test('compressed for who asks, and only for them', async () => {
    const base = await serve()
    const raw = async (accept: string) =>
      rawRequest(base, `GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\naccept-encoding: ${accept}\r\n\r\n`)
    const packed = await raw('deflate, gzip;q=1.0')
    expect(packed.head).toContain('content-encoding: gzip')
    expect(gunzipSync(unchunk(packed.body)).toString()).toBe('a 1\nb 2\n')
    expect((await raw('gzip;q=0')).head).not.toContain('content-encoding')
    expect((await raw('x-gzip-not')).head).not.toContain('content-encoding')
  })

  test('another metrics path', async () => {
    const base = await serve({ metricsPath: '/stats' })
    expect((await fetch(`${base}/stats`)).status).toBe(200)
    expect((await fetch(`${base}/metrics`)).status).toBe(404)
  })

  test.each(['/metrics', '/healthz', '/readyz'])('HEAD %s is GET without a body', async (path) => {
    const response = await fetch(`${await serve()}${path}`, { method: 'HEAD' })
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('')
  })

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('%s is refused with what is allowed', async (method) => {
    const response = await fetch(`${await serve()}/readyz`, { method })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('GET, HEAD')
  })

  test.each(['/', '/metrics/', '/readyz/../x', '/__proto__'])('%s is not there', async (path) => {
    const { head } = await rawRequest(await serve(), `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
    expect(head).toMatch(/^HTTP\/1.1 404 /)
  })
})

describe('health', () => {
  const answers = async (path: string, health: Health) => {
    const response = await fetch(`${await serve({ health: () => health })}${path}`)
    return { status: response.status, body: await response.json() }
  }
  const degraded: Health = { status: 'degraded', reasons: [{ reason: 'no-data', message: 'web' }] }
  const starting: Health = { status: 'not-ready', reasons: [{ reason: 'starting', message: 'soon' }] }
  const stuck: Health = { status: 'not-ready', reasons: [{ reason: 'stuck', message: 'hangs' }] }

  test('ready', async () => expect(await answers('/readyz', READY)).toEqual({ status: 200, body: READY }))
  test('degraded is ready', async () => expect(await answers('/readyz', degraded)).toEqual({ status: 200, body: degraded }))
  test('not ready', async () => expect(await answers('/readyz', starting)).toEqual({ status: 503, body: starting }))
  test('alive while starting', async () =>
    expect(await answers('/healthz', starting)).toEqual({ status: 200, body: { status: 'ok', reasons: [] } }))
  test('not alive when the kernel is stuck', async () =>
    expect(await answers('/healthz', stuck)).toEqual({ status: 503, body: { status: 'stuck', reasons: stuck.reasons } }))
})

test('every address of a kernel without IPv6 is every one of IPv4', async () => {
  const listen = vi.spyOn(Server.prototype, 'listen').mockImplementation(function (this: Server, port, host) {
    listen.mockRestore()
    process.nextTick(() => this.emit('error', Object.assign(new Error(`listen ${host}:${port}`), { code: 'EAFNOSUPPORT' })))
    return this
  } as (this: Server, port: unknown, host: unknown) => Server)
  onTestFinished(() => listen.mockRestore())
  server = await startAdminServer(
    { host: '::', port: 0 },
    { metricsPath: '/metrics', health: () => READY, metrics: async function* () {} },
  )
  expect((await fetch(`http://127.0.0.1:${server.address.port}/healthz`)).status).toBe(200)
})

describe('an address that cannot be used is one sentence', () => {
  test('taken', async () => {
    await serve()
    const port = server?.address.port ?? 0
    const second = startAdminServer(
      { host: '127.0.0.1', port },
      { metricsPath: '/metrics', health: () => READY, metrics: async function* () {} },
    )
    await expect(second).rejects.toMatchObject({
      code: 'ADMIN_ADDRESS',
      message: `The admin address 127.0.0.1:${port} cannot be used: another process listens there; set global.admin to another address or stop what holds it.`,
    })
  })

  test('not of this host', async () => {
    const there = startAdminServer(
      { host: '192.0.2.1', port: 9 },
      { metricsPath: '/metrics', health: () => READY, metrics: async function* () {} },
    )
    await expect(there).rejects.toThrow('no interface of this host has that address')
  })
})

test('a client that goes away in the middle stops the work for it', async () => {
  let ended = false
  const base = await serve({
    async *metrics() {
      try {
        for (;;) yield 'x'.repeat(65_536)
      } finally {
        ended = true
      }
    },
  })
  const socket = connect(Number(new URL(base).port), '127.0.0.1')
  socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n')
  await once(socket, 'data')
  socket.destroy()
  await expect.poll(() => ended).toBe(true)
})

test('closing does not wait for a client that reads nothing', async () => {
  const base = await serve({
    async *metrics() {
      for (;;) yield 'x'.repeat(65_536)
    },
  })
  const socket = connect(Number(new URL(base).port), '127.0.0.1')
  socket.on('error', () => {})
  socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n')
  await once(socket, 'readable')
  await server?.[Symbol.asyncDispose]()
  server = undefined
  socket.destroy()
})

async function rawRequest(base: string, request: string): Promise<{ head: string; body: Buffer }> {
  const socket = connect(Number(new URL(base).port), '127.0.0.1')
  socket.write(request)
  const pieces: Buffer[] = []
  for await (const piece of socket) pieces.push(piece)
  const all = Buffer.concat(pieces)
  const end = all.indexOf('\r\n\r\n')
  return { head: all.subarray(0, end).toString(), body: all.subarray(end + 4) }
}

/** The payload of a chunked body (RFC 9112 section 7.1). */
function unchunk(body: Buffer): Buffer {
  const pieces: Buffer[] = []
  let rest = body
  for (;;) {
    const line = rest.indexOf('\r\n')
    const size = Number.parseInt(rest.subarray(0, line).toString(), 16)
    if (size === 0) return Buffer.concat(pieces)
    pieces.push(rest.subarray(line + 2, line + 2 + size))
    rest = rest.subarray(line + 4 + size)
  }
}
