import { once } from 'node:events'
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConsulAgents } from '../../../../src/sources/consul/agents.ts'
import { ConsulFault } from '../../../../src/sources/consul/fault.ts'
import { STREAMS } from '../../../../src/sources/consul/streams.ts'
import { ConsulTransport } from '../../../../src/sources/consul/transport.ts'
import { type CertificateAuthority, makeAuthority } from '../../../peers/certificates.ts'
import { LED } from './scripted-agent.ts'

const lead = Object.fromEntries(Object.entries(LED).map(([name, value]) => [name.toLowerCase(), value]))

let authority: CertificateAuthority
let server: Http2SecureServer
/** Stands between us and the server; what is cut is swallowed and stays open. */
let relay: Server
let wires: { readonly inside: Socket; readonly outside: Socket }[] = []
const sessions = new Set<ServerHttp2Session>()
const asked: string[] = []

beforeAll(async () => {
  authority = await makeAuthority()
  const { cert, key } = await authority.issue({ name: 'server.dc1.consul' })
  server = createSecureServer({ cert, key })
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream, headers) => {
    asked.push(`${headers[':path']} ${headers['x-consul-token'] ?? 'without a token'}`)
    stream.on('error', () => {})
    if (headers[':path'] === '/hang') return
    if (headers[':path'] === '/half') {
      stream.respond({ ':status': 200, ...lead })
      stream.write('[')
      setTimeout(() => stream.destroy(new Error('of the test')), 20)
      return
    }
    stream.respond({ ':status': headers[':path'] === '/forbidden' ? 403 : 200, ...lead })
    stream.end(headers[':path'] === '/forbidden' ? 'ACL not found' : '[1]')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  relay = createServer((outside) => {
    const inside = connect((server.address() as AddressInfo).port, '127.0.0.1')
    for (const [from, to] of [
      [inside, outside],
      [outside, inside],
    ] as const)
      from
        .on('error', () => {})
        .on('close', () => to.destroy())
        .pipe(to)
    wires.push({ inside, outside })
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
})

afterAll(() => {
  for (const session of sessions) session.destroy()
  for (const { outside } of wires) outside.destroy()
  server.close()
  relay.close()
  authority[Symbol.dispose]()
})

function asking() {
  wires = []
  asked.length = 0
  const tls = { caFile: authority.certFile, serverName: 'server.dc1.consul', verify: true }
  const transport = new ConsulTransport(new ConsulAgents([`https://127.0.0.1:${(relay.address() as AddressInfo).port}`], tls))
  const get = (
    target: string,
    { deadline = 2_000, signal = new AbortController().signal, token = undefined as string | undefined } = {},
  ) => transport.get(transport.agents.current, { target, token, blocking: false, deadline, signal })
  return { get, [Symbol.dispose]: () => transport[Symbol.dispose]() }
}

describe('questions over HTTP/2', () => {
  it('share one connection, and a second one beyond what it carries', async () => {
    using transport = asking()
    const ended = new AbortController()
    const hanging = Array.from({ length: STREAMS }, () =>
      transport.get('/hang', { signal: ended.signal, deadline: 10_000 }).catch(() => 'ended'),
    )
    await expect.poll(() => asked.length).toBe(STREAMS)
    expect(wires).toHaveLength(1)
    expect(String((await transport.get('/v1/x', { token: 's3cret' })).body)).toBe('[1]')
    expect(asked.at(-1)).toBe('/v1/x s3cret')
    expect(wires).toHaveLength(2)
    ended.abort(new Error('nobody listens'))
    expect(new Set(await Promise.all(hanging))).toEqual(new Set(['ended']))
    await transport.get('/v1/x')
    expect(wires).toHaveLength(2)
  })

  it('tell of refusals, of half an answer and of a connection that breaks', async () => {
    using transport = asking()
    await expect(transport.get('/forbidden')).rejects.toThrow(/answered 403: ACL not found/)
    await expect(transport.get('/half')).rejects.toThrow(/closed the connection in the middle of an answer/)
    const hanging = transport.get('/hang')
    await expect.poll(() => asked.at(-1)).toBe('/hang without a token')
    for (const { outside } of wires) outside.destroy()
    await expect(hanging).rejects.toBeInstanceOf(ConsulFault)
    expect((await transport.get('/v1/x')).meta.knownLeader).toBe(true)
  })

  it('leave a connection that leads nowhere', async () => {
    using transport = asking()
    await transport.get('/v1/x')
    for (const { inside, outside } of wires) {
      inside.unpipe(outside)
      outside.unpipe(inside)
      outside.resume()
    }
    await expect(transport.get('/v1/x', { deadline: 200 })).rejects.toThrow(/did not answer within/)
    await expect
      .poll(async () => (await transport.get('/v1/x', { deadline: 500 }).catch(() => undefined))?.meta.index, { timeout: 8_000 })
      .toBe(10n)
    expect(wires.length).toBeGreaterThan(1)
  }, 15_000)
})
