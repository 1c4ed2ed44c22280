import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttp2Server, createSecureServer, type ServerHttp2Stream } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { AnswerText } from '../../../src/health/answer-text.ts'
import type { ProbeTarget } from '../../../src/health/target.ts'
import type { HttpProbeSpec, ProbeTls } from '../../../src/model/probe-spec.ts'
import { type Certificate, type CertificateAuthority, makeAuthority } from '../../peers/certificates.ts'
import { startNginx } from '../../peers/nginx.ts'
import { address, BAD_MANNERS, deserted, listening, nothingIsLeft, serving } from './bad-servers.ts'
import { endless } from './endless-server.ts'
import { asksHere, probeOf } from './who-asks.ts'

const USUAL: HttpProbeSpec = {
  kind: 'http',
  version: '1.1',
  method: 'GET',
  path: '/healthz',
  headers: {},
  status: [{ from: 200, to: 299 }],
  redirects: 'accept',
}

function ask(target: ProbeTarget, more: Partial<HttpProbeSpec> = {}, time = 2_000) {
  return probeOf({ ...USUAL, ...more }, target)(AbortSignal.timeout(time))
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

function http(handler: Handler): Promise<ProbeTarget> {
  return listening(createServer(handler))
}

const saying = (text: string, status = 200, headers = {}): Handler => {
  return (_, response) => response.writeHead(status, headers).end(text)
}

let authority: CertificateAuthority
let good: Certificate
let tls: ProbeTls

beforeAll(async () => {
  authority = await makeAuthority()
  good = await authority.issue({ name: 'web.example', addresses: ['127.0.0.1'], days: 30 })
  tls = { verify: true, caFile: authority.certFile, serverName: 'web.example' }
})

afterAll(() => authority[Symbol.dispose]())

describe('a request', () => {
  it('is as it is written, without keep-alive', async () => {
    const seen: unknown[] = []
    const target = await http(({ method, url, headers }, response) => {
      seen.push({ method, url, headers })
      response.end()
    })
    expect(
      await ask(target, { path: '/live?deep=1', method: 'POST', host: 'web.example', headers: { 'X-Probe': 'yes' } }),
    ).toEqual({
      outcome: 'passed',
    })
    expect(await ask(target, { headers: { 'User-Agent': 'mine' } })).toEqual({ outcome: 'passed' })
    const usual = { connection: 'close', 'user-agent': 'pointsman' }
    expect(seen).toEqual([
      {
        method: 'POST',
        url: '/live?deep=1',
        headers: { host: 'web.example', ...usual, 'x-probe': 'yes', 'content-length': '0' },
      },
      { method: 'GET', url: '/healthz', headers: { host: `127.0.0.1:${target.port}`, ...usual, 'user-agent': 'mine' } },
    ])
    await nothingIsLeft()
  })

  it('comes from the address that is written', async () => {
    let from: string | undefined
    const target = await http(({ socket }, response) => {
      from = socket.remoteAddress
      response.end()
    })
    expect(await ask({ ...target, sourceAddress: address('127.0.0.7') })).toEqual({ outcome: 'passed' })
    expect(from).toBe('127.0.0.7')
    expect(await ask({ ...target, sourceAddress: address('198.51.100.7') })).toEqual({
      outcome: 'unknown',
      message: `127.0.0.1:${target.port} could not be asked from 198.51.100.7 (EADDRNOTAVAIL): write an address that an interface of this host has`,
    })
  })
})

describe('an answer', () => {
  it.each([
    [200, true],
    [299, true],
    [300, false],
    [503, false],
  ])('with status %i: %s', async (status, passes) => {
    const target = await http(saying('', status))
    expect(await ask(target)).toEqual(
      passes
        ? { outcome: 'passed' }
        : { outcome: 'failed', failure: 'wrong-answer', message: `127.0.0.1:${target.port} answers with status ${status}` },
    )
    await nothingIsLeft()
  })

  it.each<[HttpProbeSpec['body'], string | undefined]>([
    [{ by: 'text', value: 'grün' }, undefined],
    [{ by: 'text', value: 'rot' }, 'answers with a body without "rot"'],
    [{ by: 'text', value: 'alles', not: true }, 'answers with a body with "alles"'],
    [{ by: 'text', value: 'rot', not: true }, undefined],
    [{ by: 'pattern', value: 'a.+s ist' }, undefined],
    [{ by: 'pattern', value: '^ist' }, 'answers with a body without what matches /^ist/'],
  ])('whose body should hold %o: %s', async (body, fault) => {
    const target = await http(saying('alles ist grün'))
    const failed = { outcome: 'failed', failure: 'wrong-answer', message: `127.0.0.1:${target.port} ${fault}` }
    expect(await ask(target, body && { body })).toEqual(fault === undefined ? { outcome: 'passed' } : failed)
    await nothingIsLeft()
  })

  it.each([
    ['answers before the answer', 'HTTP/1.1 100 x\n\n', '', 'its head is longer than 16384 bytes'],
    ['lines without a chunk', '\r\n', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'a chunk has no length'],
  ])('of %s without end is none', async (_, then, first, fault) => {
    const target = await endless(then, first)
    expect(await ask(target, { body: { by: 'text', value: 'x' } }, 10_000)).toEqual({
      outcome: 'failed',
      failure: 'wrong-answer',
      message: `127.0.0.1:${target.port} does not answer as HTTP does: ${fault}`,
    })
    await nothingIsLeft()
  })

  it('is looked through for 64 KiB and no further', async () => {
    const target = await http((_, response) => {
      response.write('x'.repeat(65_536 - 4))
      response.end('near, and far')
    })
    expect(await ask(target, { body: { by: 'text', value: 'near' } })).toEqual({ outcome: 'passed' })
    expect(await ask(target, { body: { by: 'text', value: 'far' } })).toMatchObject({ failure: 'wrong-answer' })
  })

  it('of another one at the same address fails, and says so', async () => {
    const target = await http(saying('', 200, { 'x-instance': 'shop-1' }))
    const identity = (header: string, value: string) => ask(target, { identity: { header, value } })
    expect(await identity('X-Instance', 'shop-1')).toEqual({ outcome: 'passed' })
    expect(await identity('x-instance', 'web-1')).toMatchObject({
      failure: 'wrong-answer',
      message: `127.0.0.1:${target.port} answers with x-instance: shop-1: it is another one at the same address`,
    })
    expect(await identity('x-name', 'web-1')).toMatchObject({ failure: 'wrong-answer' })
  })

  it('that does not speak HTTP fails', async () => {
    const target = await serving((socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'))
    expect(await ask(target)).toEqual({
      outcome: 'failed',
      failure: 'wrong-answer',
      message: `127.0.0.1:${target.port} does not answer as HTTP does: it begins otherwise`,
    })
    expect(await ask(target, { version: '2' })).toMatchObject({ message: expect.stringMatching(/does not speak HTTP\/2$/) })
    await nothingIsLeft()
  })
})

describe('a redirect', () => {
  const chain: Handler = ({ url = '', method }, response) => {
    const hop = Number.parseInt(url.split('/')[2] ?? '', 10)
    if (hop > 0) response.writeHead(303, { location: `/hop/${hop - 1}?m=${method}` }).end()
    else response.end(`${method} ${url}`)
  }

  it('is an answer like any other, unless it is to be followed', async () => {
    const target = await http(chain)
    expect(await ask(target, { path: '/hop/1', status: [{ from: 303, to: 303 }] })).toEqual({ outcome: 'passed' })
    expect(await ask(target, { path: '/hop/1' })).toMatchObject({ failure: 'wrong-answer' })
  })

  it('is followed as far as is written', async () => {
    const target = await http(chain)
    const body = { by: 'text', value: 'GET /hop/0?m=GET' } as const
    expect(await ask(target, { path: '/hop/2', method: 'POST', redirects: { most: 2 }, body })).toEqual({ outcome: 'passed' })
    expect(await ask(target, { path: '/hop/3', redirects: { most: 2 } })).toEqual({
      outcome: 'failed',
      failure: 'wrong-answer',
      message: `127.0.0.1:${target.port} redirects more than 2 times`,
    })
    await nothingIsLeft()
  })

  it('to another place is not followed', async () => {
    const other = await http(() => expect.unreachable())
    for (const location of [`http://127.0.0.1:${other.port}/healthz`, 'https://web.example/', 'http://', 'ftp://web.example/']) {
      const target = await http(saying('', 301, { location }))
      const result = await ask(target, { host: 'web.example', redirects: { most: 5 } })
      expect(result).toMatchObject({ message: `127.0.0.1:${target.port} redirects to another place` })
    }
    const target: ProbeTarget = await http(({ url }, response) => {
      if (url === '/healthz') response.writeHead(301, { location: 'http://web.example/there' }).end()
      else response.end()
    })
    expect(await ask(target, { host: 'web.example', redirects: { most: 1 } })).toEqual({ outcome: 'passed' })
  })
})

describe('over TLS', () => {
  const secure = (handler: Handler) => listening(createHttpsServer({ cert: good.cert, key: good.key }, handler))

  it('the certificate is verified before anything is sent, and its days are told', async () => {
    const asked: unknown[] = []
    const target = await secure(({ url }, response) => {
      asked.push(url)
      response.writeHead(url === '/healthz' ? 200 : 500).end('fine')
    })
    expect(await ask(target, { tls, body: { by: 'text', value: 'fine' } })).toEqual({ outcome: 'passed', certificateDays: 29 })
    expect(await ask(target, { tls, path: '/other' })).toMatchObject({ failure: 'wrong-answer', certificateDays: 29 })
    expect(await ask(target, { tls: { ...tls, serverName: 'shop.example' } })).toMatchObject({ failure: 'tls' })
    expect(asked).toEqual(['/healthz', '/other'])
    await nothingIsLeft()
  })

  it('a server that wants our certificate gets it', async () => {
    const options = { cert: good.cert, key: good.key, requestCert: true, ca: authority.cert }
    const target = await listening(createHttpsServer(options, saying('')))
    const { certFile, keyFile } = await authority.issue({ name: 'director.example' })
    expect(await ask(target, { tls: { ...tls, certFile, keyFile } })).toEqual({ outcome: 'passed', certificateDays: 29 })
    expect(await ask(target, { tls })).toMatchObject({ outcome: 'failed', certificateDays: 29 })
    await nothingIsLeft()
  })
})

describe('HTTP/2', () => {
  it.each(['prior knowledge', 'ALPN'])('is asked by %s', async (how) => {
    const handler = ({ url, headers }: { url: string; headers: object }, response: { end: (text: string) => void }) =>
      response.end(`${url} ${JSON.stringify(headers)}`)
    const protectedBy = { cert: good.cert, key: good.key }
    const server = how === 'ALPN' ? createSecureServer(protectedBy, handler as never) : createHttp2Server(handler as never)
    const target = await listening(server)
    const more = { version: '2' as const, host: 'web.example', headers: { 'X-Probe': 'yes' }, ...(how === 'ALPN' && { tls }) }
    const passed = { outcome: 'passed', ...(how === 'ALPN' && { certificateDays: 29 }) }
    expect(await ask(target, { ...more, body: { by: 'pattern', value: '^/healthz .*"x-probe":"yes"' } })).toEqual(passed)
    expect(await ask(target, more)).toEqual(passed)
    expect(await ask(target, { ...more, body: { by: 'text', value: 'not there' } })).toMatchObject({ failure: 'wrong-answer' })
    expect(await ask(target, { ...more, status: [{ from: 404, to: 404 }] })).toMatchObject({ failure: 'wrong-answer' })
    await nothingIsLeft()
  })

  // The second is nothing that Node takes for an address.
  it.each(['web.example:8443', '10.0.0.256'])('names the host %s', async (host) => {
    const server = createHttp2Server((request, response) => response.end(`${request.scheme} ${request.authority}`))
    const body = { by: 'text', value: `http ${host}` } as const
    expect(await ask(await listening(server), { version: '2', host, body })).toEqual({ outcome: 'passed' })
    await nothingIsLeft()
  })

  it('is judged by what comes together, and not frame by frame', async () => {
    // RFC 9113, 4.1: a server that puts each byte of the body into a frame of its own.
    const frame = (type: number, flags: number, stream: number, payload: Buffer) =>
      Buffer.concat([Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, stream]), payload])
    const [settings, acknowledged] = [0, 1].map((flags) => frame(4, flags, 0, Buffer.alloc(0)))
    const frames = [
      frame(1, 4, 1, Buffer.from([0x88])),
      ...Array.from({ length: 2_000 }, () => frame(0, 0, 1, Buffer.from('x'))),
      frame(0, 1, 1, Buffer.from('needle')),
    ]
    const answer = Buffer.concat([settings, acknowledged, ...frames] as Buffer[])
    const looks = vi.spyOn(AnswerText.prototype, 'add')
    onTestFinished(() => looks.mockRestore())
    const target = await serving((socket) => void socket.once('data', () => socket.write(answer)).resume())
    expect(await ask(target, { version: '2', body: { by: 'text', value: 'xneedle' } })).toEqual({ outcome: 'passed' })
    if (asksHere()) expect(looks.mock.calls.length).toBeGreaterThan(0)
    expect(looks.mock.calls.length).toBeLessThan(1_000)
    await nothingIsLeft()
  })

  it('is not spoken where the server does not offer it', async () => {
    const target = await listening(createHttpsServer({ cert: good.cert, key: good.key }, saying('')))
    expect(await ask(target, { version: '2', tls })).toMatchObject({
      outcome: 'failed',
      failure: expect.stringMatching(/tls|wrong-answer/),
    })
    await nothingIsLeft()
  })
})

describe('nginx', () => {
  it('passes, with and without TLS, and its faults are told', async () => {
    const server = 'location = /healthz { return 200 "ok"; } location = /broken { return 503; }'
    await using nginx = await startNginx({ certificate: good, server })
    const plain = { address: address(nginx.address), port: nginx.port }
    const secured = { address: address(nginx.address), port: 8443 }
    const body = { by: 'text', value: 'ok' } as const
    expect(await ask(plain, { body })).toEqual({ outcome: 'passed' })
    expect(await ask(plain, { path: '/broken' })).toMatchObject({ message: `${nginx.address}:8080 answers with status 503` })
    expect(await ask(secured, { tls, body })).toEqual({ outcome: 'passed', certificateDays: 29 })
    expect(await ask(plain, { tls })).toMatchObject({ failure: 'tls' })
    expect(await ask(secured, {})).toMatchObject({ message: `${nginx.address}:8443 answers with status 400` })
  })
})

describe.each(['1.1', '2'] as const)('a backend over HTTP/%s', (version) => {
  const body = { by: 'text', value: 'never' } as const
  const FAILURES: Readonly<Record<string, readonly string[]>> = {
    'accepts and never answers': ['no-answer'],
    'answers one byte a second': ['no-answer', 'wrong-answer'],
    'never ends its answer': ['wrong-answer'],
    'closes at once': ['closed'],
    'resets at once': ['closed'],
  }

  it.each(Object.keys(FAILURES))('that %s fails in time, and no socket is left', async (manners) => {
    const target = await serving(BAD_MANNERS[manners] ?? (() => {}))
    const begun = performance.now()
    const result = await ask(target, { version, body }, 1_500)
    expect(performance.now() - begun).toBeLessThan(2_500)
    expect(result).toMatchObject({ outcome: 'failed', message: expect.stringMatching(/^127\.0\.0\.1:\d+ /) })
    expect(FAILURES[manners]).toContain(result.outcome === 'failed' && result.failure)
    await nothingIsLeft()
  })

  it('is refused where nobody listens', async () => {
    expect(await ask(await deserted(), { version })).toMatchObject({ failure: 'refused' })
  })
})

describe('an answer that begins well', () => {
  const begun = 'HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n'
  const body = { by: 'text', value: 'never' } as const

  it.each<[string, string, string, string]>([
    ['and stops', 'accepts and never answers', 'no-answer', 'does not finish its answer in time'],
    ['and goes on one byte a second', 'answers one byte a second', 'no-answer', 'does not finish its answer in time'],
    ['and never ends', 'never ends its answer', 'wrong-answer', 'answers with a body without "never"'],
    ['and is cut', 'closes at once', 'closed', 'ends the connection within its answer'],
  ])('%s fails in time, and no socket is left', async (_, manners, failure, message) => {
    const target = await serving((socket) => socket.write(begun, () => BAD_MANNERS[manners]?.(socket)))
    expect(await ask(target, { body }, 1_500)).toEqual({
      outcome: 'failed',
      failure,
      message: `127.0.0.1:${target.port} ${message}`,
    })
    await nothingIsLeft()
    // Without a body to look for, the head decides.
    expect(await ask(target, {}, 1_500)).toEqual({ outcome: 'passed' })
    await nothingIsLeft()
  })

  it('with headers that never end fails', async () => {
    const target = await serving((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      const timer = setInterval(() => socket.write(`X-More: ${'x'.repeat(1_000)}\r\n`), 5)
      socket.once('close', () => clearInterval(timer))
    })
    expect(await ask(target)).toMatchObject({
      failure: 'wrong-answer',
      message: expect.stringMatching(/its head is longer than 16384 bytes$/),
    })
    await nothingIsLeft()
  })
})

describe('an answer over HTTP/2 that begins well', () => {
  const body = { by: 'text', value: 'never' } as const
  const endless = (stream: ServerHttp2Stream) => {
    const more = () => {
      while (!stream.destroyed && stream.write('x'.repeat(16_384)));
    }
    stream.on('drain', more)
    more()
  }
  const drip = (stream: ServerHttp2Stream) => {
    const timer = setInterval(() => stream.write('x'), 1_000)
    stream.once('close', () => clearInterval(timer))
  }

  it.each<[string, (stream: ServerHttp2Stream) => void, string, RegExp]>([
    ['and stops', () => {}, 'no-answer', /does not finish its answer in time$/],
    ['and goes on one byte a second', drip, 'no-answer', /does not finish its answer in time$/],
    ['and never ends', endless, 'wrong-answer', /answers with a body without "never"$/],
    [
      'and is taken back',
      (stream) => stream.destroy(new Error('gone')),
      'closed',
      /ends the request within its answer \(HTTP\/2 error 2\)$/,
    ],
    ['and is cut', (stream) => stream.session?.destroy(), 'closed', /(ends the request|closes the connection)/],
  ])('%s fails in time, and no socket is left', async (_, go, failure, message) => {
    const server = createHttp2Server().on('stream', (stream: ServerHttp2Stream) => {
      stream.on('error', () => {})
      stream.respond({ ':status': 200 })
      stream.write('begun', () => go(stream))
    })
    const target = await listening(server)
    expect(await ask(target, { version: '2', body }, 1_500)).toMatchObject({
      outcome: 'failed',
      failure,
      message: expect.stringMatching(message),
    })
    await nothingIsLeft()
    expect(await ask(target, { version: '2' }, 1_500)).toEqual({ outcome: 'passed' })
    await nothingIsLeft()
  })

  it('a request that is refused fails at once', async () => {
    const server = createHttp2Server().on('stream', (stream: ServerHttp2Stream) => {
      stream.on('error', () => {})
      stream.close(7)
    })
    const target = await listening(server)
    expect(await ask(target, { version: '2' })).toMatchObject({
      failure: 'closed',
      message: `127.0.0.1:${target.port} ends the request without an answer (HTTP/2 error 7)`,
    })
    await nothingIsLeft()
  })
})
