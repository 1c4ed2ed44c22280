import { createServer, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { createServer as createTcpServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { grpcProbe } from '../../../src/health/grpc.ts'
import type { ProbeTarget } from '../../../src/health/target.ts'
import { makeAuthority } from '../../peers/certificates.ts'
import { startNginx } from '../../peers/nginx.ts'
import { address, listening, nothingIsLeft } from './bad-servers.ts'

const STATUSES = { '': 'SERVING', 'shop.Cart': 'SERVING', 'shop.Stock': 'NOT_SERVING', 'shop.Mail': 'UNKNOWN' } as const

/** A server of gRPC; without `health` one that knows no service at all. */
async function grpcServer(health?: HealthImplementation, credentials = ServerCredentials.createInsecure()): Promise<ProbeTarget> {
  const server = new Server()
  health?.addToServer(server)
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error ? reject(error) : resolve(port)))
  const port = await promise
  onTestFinished(() => server.forceShutdown())
  return { address: address('127.0.0.1'), port }
}

function ask(target: ProbeTarget, service = '') {
  return grpcProbe(target, { kind: 'grpc', service })(AbortSignal.timeout(1_500))
}

/** A server of HTTP/2 that does with each call as it is told. */
async function http2Server(answer: (stream: ServerHttp2Stream) => void): Promise<ProbeTarget> {
  const server = createServer()
  server.on('stream', (stream) => {
    stream.on('error', () => {})
    answer(stream)
  })
  return listening(server)
}

function replying(headers: OutgoingHttpHeaders, body = ''): Promise<ProbeTarget> {
  return http2Server((stream) => {
    stream.respond(headers)
    stream.end(body)
  })
}

describe('the health of a gRPC server', () => {
  it('passes while it serves, as a whole or by service, and no longer when it stops', async () => {
    const health = new HealthImplementation(STATUSES)
    const target = await grpcServer(health)
    const name = `127.0.0.1:${target.port}`
    expect(await ask(target)).toEqual({ outcome: 'passed' })
    expect(await ask(target, 'shop.Cart')).toEqual({ outcome: 'passed' })
    const wrong = (message: string) => ({ outcome: 'failed', failure: 'wrong-answer', message: `${name} ${message}` })
    expect(await ask(target, 'shop.Stock')).toEqual(wrong('answers NOT_SERVING'))
    expect(await ask(target, 'shop.Mail')).toEqual(wrong('answers UNKNOWN'))
    health.setStatus('', 'NOT_SERVING')
    expect(await ask(target)).toEqual(wrong('answers NOT_SERVING'))
    health.setStatus('', 'SERVING')
    expect(await ask(target)).toEqual({ outcome: 'passed' })
    await nothingIsLeft()
  })

  it('fails for a service that it does not know, and where it knows nothing of health', async () => {
    expect(await ask(await grpcServer(new HealthImplementation(STATUSES)), 'shop.Nobody')).toMatchObject({
      failure: 'wrong-answer',
      message: expect.stringMatching(/answers NOT_FOUND/),
    })
    expect(await ask(await grpcServer())).toMatchObject({
      failure: 'wrong-answer',
      message: expect.stringMatching(/answers UNIMPLEMENTED: /),
    })
    await nothingIsLeft()
  })

  it('takes a name of more than 127 bytes', async () => {
    const service = `shop.${'x'.repeat(300)}`
    expect(await ask(await grpcServer(new HealthImplementation({ [service]: 'SERVING' })), service)).toEqual({
      outcome: 'passed',
    })
  })

  it('of a server that is none of gRPC fails by what it answers', async () => {
    expect(await ask(await replying({ ':status': 404 }, 'no'))).toMatchObject({
      failure: 'wrong-answer',
      message: expect.stringContaining('answers with HTTP status 404'),
    })
    expect(await ask(await replying({ 'content-type': 'text/html' }, '<p>'))).toMatchObject({
      failure: 'wrong-answer',
      message: expect.stringContaining('does not answer as gRPC does'),
    })
    expect(await ask(await replying({ 'grpc-status': '0' }, 'nonsense'))).toMatchObject({
      failure: 'wrong-answer',
      message: expect.stringContaining('something else than a HealthCheckResponse'),
    })
    expect(await ask(await replying({}, 'x'.repeat(10_000)))).toMatchObject({
      failure: 'wrong-answer',
      message: expect.stringContaining('answers more than'),
    })
    await nothingIsLeft()
  })

  it('of a server that speaks another version of HTTP fails by that', async () => {
    await using nginx = await startNginx()
    expect(await ask({ address: address(nginx.address), port: nginx.port })).toMatchObject({
      failure: 'wrong-answer',
      message: expect.stringContaining('does not speak HTTP/2'),
    })
  })

  it('names the server by its address', async () => {
    let asked: unknown
    const server = createServer()
    server.on('stream', (stream, headers) => {
      asked = headers
      stream.respond({ ':status': 404 }, { endStream: true })
    })
    const target = await listening(server)
    await ask(target)
    expect(asked).toMatchObject({ ':scheme': 'http', ':authority': `127.0.0.1:${target.port}`, ':method': 'POST' })
    await nothingIsLeft()
  })

  it('of a server that ends the call or takes leave fails by that', async () => {
    expect(await ask(await http2Server((stream) => stream.close(2)))).toMatchObject({
      failure: 'closed',
      message: expect.stringContaining('HTTP/2 error 2'),
    })
    expect(await ask(await http2Server((stream) => stream.session?.goaway(11)))).toMatchObject({
      failure: 'closed',
      message: expect.stringContaining('GOAWAY 11'),
    })
    await nothingIsLeft()
  })

  it('of a server that takes leave in order is what it answers to the calls that came in before', async () => {
    const message = healthAnswer(1)
    const leaving = await http2Server((stream) => {
      stream.session?.close()
      setImmediate(() => {
        stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
        stream.end(message)
      })
    })
    expect(await ask(leaving)).toEqual({ outcome: 'passed' })
    await nothingIsLeft()
  })

  it('of a server that takes leave before the call fails by that', async () => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.write(Buffer.concat([frame(4, 0), frame(7, 8)])))
    })
    expect(await ask(await listening(server))).toMatchObject({ outcome: 'failed', failure: 'closed' })
    await nothingIsLeft()
  })
})

/** A HealthCheckResponse with this status, as gRPC carries it. */
function healthAnswer(status: number): Buffer {
  return Buffer.of(0, 0, 0, 0, 2, 8, status)
}

/** A frame of HTTP/2 of so many zeros, for the connection as a whole. */
function frame(type: number, length: number): Buffer {
  return Buffer.concat([Buffer.of(0, 0, length, type, 0, 0, 0, 0, 0), Buffer.alloc(length)])
}

describe('over TLS', () => {
  it('asks behind the handshake, tells how long the certificate lasts, and believes no other authority', async () => {
    using authority = await makeAuthority()
    using other = await makeAuthority()
    const { cert, key } = await authority.issue({ name: 'shop.example', days: 10 })
    const credentials = ServerCredentials.createSsl(null, [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }])
    const target = await grpcServer(new HealthImplementation(STATUSES), credentials)
    const over = (caFile: string, serverName = 'shop.example') =>
      grpcProbe(target, { kind: 'grpc', service: 'shop.Cart', tls: { serverName, verify: true, caFile } })(
        AbortSignal.timeout(1_500),
      )
    const passed = await over(authority.certFile)
    expect(passed).toMatchObject({ outcome: 'passed', certificateDays: expect.closeTo(10, -1) })
    expect(await over(other.certFile)).toMatchObject({ outcome: 'failed', failure: 'tls' })
    expect(await over(authority.certFile, 'mail.example')).toMatchObject({ outcome: 'failed', failure: 'tls' })
    expect(await over('/no/such/file')).toMatchObject({ outcome: 'unknown' })
    // Without TLS it says nothing that we understand.
    expect(await ask(target)).toMatchObject({ outcome: 'failed' })
    await nothingIsLeft()
  })

  it('fails where the server does not offer HTTP/2', async () => {
    using authority = await makeAuthority()
    const { cert, key } = await authority.issue({ name: 'shop.example' })
    const target = await listening(createTlsServer({ cert, key }, (socket) => socket.on('error', () => {})))
    const tls = { serverName: 'shop.example', verify: true, caFile: authority.certFile }
    expect(await grpcProbe(target, { kind: 'grpc', service: '', tls })(AbortSignal.timeout(1_500))).toMatchObject({
      failure: 'wrong-answer',
      message: expect.stringContaining('does not speak HTTP/2 over TLS'),
    })
    await nothingIsLeft()
  })
})
