/** Backends that finish the TLS handshake, or have a certificate that is not theirs, and serve nobody. */

import type { Socket } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { grpcProbe } from '../../../src/health/grpc.ts'
import { httpProbe } from '../../../src/health/http.ts'
import type { Probe } from '../../../src/health/probe.ts'
import type { ProbeTarget } from '../../../src/health/target.ts'
import type { HttpProbeSpec, ProbeTls } from '../../../src/model/probe-spec.ts'
import { type Certificate, type CertificateAuthority, makeAuthority } from '../../peers/certificates.ts'
import { BAD_MANNERS, listening, nothingIsLeft } from './bad-servers.ts'

const HTTP: Omit<HttpProbeSpec, 'version'> = {
  kind: 'http',
  method: 'GET',
  path: '/healthz',
  headers: {},
  status: [{ from: 200, to: 299 }],
  redirects: 'accept',
  body: { by: 'text', value: 'never' },
}

type Kind = 'HTTP/1.1' | 'HTTP/2' | 'gRPC'

const PROBES: Readonly<Record<Kind, (target: ProbeTarget, tls: ProbeTls) => Probe>> = {
  'HTTP/1.1': (target, tls) => httpProbe(target, { ...HTTP, version: '1.1', tls }),
  'HTTP/2': (target, tls) => httpProbe(target, { ...HTTP, version: '2', tls }),
  gRPC: (target, tls) => grpcProbe(target, { kind: 'grpc', service: '', tls }),
}
const KINDS = Object.keys(PROBES) as Kind[]

let authority: CertificateAuthority
let stranger: CertificateAuthority
let good: Certificate
let tls: ProbeTls

beforeAll(async () => {
  authority = await makeAuthority()
  stranger = await makeAuthority('Somebody else')
  good = await authority.issue({ name: 'web.example', days: 30 })
  tls = { verify: true, caFile: authority.certFile, serverName: 'web.example' }
})

afterAll(() => {
  authority[Symbol.dispose]()
  stranger[Symbol.dispose]()
})

/** `behave` has the connection under TLS too: only that can be reset. */
function protectedBy({ cert, key }: Certificate, behave: (socket: TLSSocket, under: Socket) => void): Promise<ProbeTarget> {
  let under: Socket | undefined
  const server = createServer({ cert, key, ALPNProtocols: ['h2', 'http/1.1'] }, (socket) => {
    socket.on('error', () => {})
    if (under !== undefined) behave(socket, under)
  })
  server.on('connection', (socket: Socket) => {
    under = socket
  })
  return listening(server)
}

const ask = (kind: Kind, target: ProbeTarget, time = 1_500) => PROBES[kind](target, tls)(AbortSignal.timeout(time))

const FAILURES: Readonly<Record<string, readonly string[]>> = {
  'accepts and never answers': ['no-answer'],
  'answers one byte a second': ['no-answer', 'wrong-answer'],
  'never ends its answer': ['wrong-answer'],
  'closes at once': ['closed'],
  'resets at once': ['closed'],
}

describe.each(KINDS)('a backend over TLS, asked by %s', (kind) => {
  it.each(Object.keys(FAILURES))('that %s fails in time, and no socket is left', async (manners) => {
    const behave = BAD_MANNERS[manners] ?? (() => expect.unreachable())
    const target = await protectedBy(good, (socket, under) => behave(manners === 'resets at once' ? under : socket))
    const begun = performance.now()
    const result = await ask(kind, target)
    expect(performance.now() - begun).toBeLessThan(2_500)
    expect(result).toMatchObject({ outcome: 'failed', message: expect.stringMatching(/^127\.0\.0\.1:\d+ /) })
    expect(FAILURES[manners]).toContain(result.outcome === 'failed' && result.failure)
    await nothingIsLeft()
  })

  it.each<[string, () => Promise<Certificate>, RegExp]>([
    ['has run out', () => authority.issue({ name: 'web.example', days: -1 }), /a certificate that has run out/],
    ['is for another name', () => authority.issue({ name: 'shop.example' }), /for DNS:shop\.example, not for web\.example$/],
    ['is of an unknown authority', () => stranger.issue({ name: 'web.example' }), /of an authority that is not known here/],
  ])('whose certificate %s fails, and is sent nothing', async (_, issue, message) => {
    let heard = 0
    const target = await protectedBy(await issue(), (socket) => socket.on('data', () => heard++))
    expect(await ask(kind, target)).toMatchObject({
      outcome: 'failed',
      failure: 'tls',
      message: expect.stringMatching(message),
      certificateDays: expect.any(Number),
    })
    await nothingIsLeft()
    expect(heard).toBe(0)
  })
})

describe('an answer over TLS that begins well', () => {
  const begun = 'HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n'

  it.each([
    ['and stops', 'accepts and never answers', 'no-answer'],
    ['and goes on one byte a second', 'answers one byte a second', 'no-answer'],
    ['and never ends', 'never ends its answer', 'wrong-answer'],
    ['and is cut', 'closes at once', 'closed'],
    ['and is reset', 'resets at once', 'closed'],
  ])('%s fails in time, and no socket is left', async (_, manners, failure) => {
    const target = await protectedBy(good, (socket, under) => {
      socket.write(begun, () => BAD_MANNERS[manners]?.(manners === 'resets at once' ? under : socket))
    })
    expect(await ask('HTTP/1.1', target)).toMatchObject({ outcome: 'failed', failure })
    await nothingIsLeft()
  })
})
