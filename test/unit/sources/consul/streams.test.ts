import { once } from 'node:events'
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConsulAgents } from '../../../../src/sources/consul/agents.ts'
import { ConsulFault } from '../../../../src/sources/consul/fault.ts'
import { STREAMS } from '../../../../src/sources/consul/streams.ts'
import { ConsulTransport } from '../../../../src/sources/consul/transport.ts'
import { type Certificate, type CertificateAuthority, makeAuthority } from '../../../peers/certificates.ts'
import { LED } from './scripted-agent.ts'

const lead = Object.fromEntries(Object.entries(LED).map(([name, value]) => [name.toLowerCase(), value]))

let authority: CertificateAuthority
let certificate: Certificate
let server: Http2SecureServer
/** Stands between us and the server; what is cut is swallowed and stays open. */
let relay: Server
let wires: { readonly inside: Socket; readonly outside: Socket }[] = []
/** Connections from now on of which nothing arrives. */
let swallowing = 0
const sessions = new Set<ServerHttp2Session>()
const asked: string[] = []

beforeAll(async () => {
  authority = await makeAuthority()
  certificate = await authority.issue({ name: 'server.dc1.consul' })
  server = createSecureServer({ cert: certificate.cert, key: certificate.key })
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
    wires.push({ inside, outside })
    if (swallowing-- > 0) {
      for (const socket of [inside, outside]) socket.on('error', () => {})
      return
    }
    for (const [from, to] of [
      [inside, outside],
      [outside, inside],
    ] as const)
      from
        .on('error', () => {})
        .on('close', () => to.destroy())
        .pipe(to)
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

function asking(agent = `https://127.0.0.1:${(relay.address() as AddressInfo).port}`) {
  wires = []
  asked.length = 0
  const tls = { caFile: authority.certFile, serverName: 'server.dc1.consul', verify: true }
  const transport = new ConsulTransport(new ConsulAgents([agent], tls))
  const get = (
    target: string,
    { deadline = 2_000, signal = new AbortController().signal, token = undefined as string | undefined, blocking = false } = {},
  ) => transport.get(transport.agents.current, { target, token, blocking, deadline, signal })
  return { get, streams: transport.agents.current.streams, [Symbol.dispose]: () => transport[Symbol.dispose]() }
}

/** Another server, of whose connections each carries two questions; `/hang` is never answered. */
async function narrowServer(host: string, onSession: (session: ServerHttp2Session) => void = () => {}) {
  const { cert, key } = certificate
  const narrow = createSecureServer({ cert, key, settings: { maxConcurrentStreams: 2 } })
  const open = new Set<ServerHttp2Session>()
  narrow.on('session', (session) => {
    open.add(session)
    session.on('error', () => {})
    onSession(session)
  })
  narrow.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    if (headers[':path'] === '/hang') return
    stream.respond({ ':status': 200, ...lead })
    stream.end('[1]')
  })
  narrow.listen(0, host)
  await once(narrow, 'listening')
  const close = () => {
    for (const session of open) session.destroy()
    narrow.close()
  }
  return { open, port: (narrow.address() as AddressInfo).port, [Symbol.dispose]: close }
}

describe('questions over HTTP/2', () => {
  it('share one connection, and a second one beyond what it carries', async () => {
    using transport = asking()
    const ended = new AbortController()
    const hanging = Array.from({ length: STREAMS }, () =>
      transport.get('/hang', { signal: ended.signal, deadline: 10_000, blocking: true }).catch(() => 'ended'),
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

  it('take the place of the one before on a connection that is full, and open none for it', async () => {
    using transport = asking()
    const ended = new AbortController()
    const hanging = Array.from({ length: STREAMS - 1 }, () =>
      transport.get('/hang', { signal: ended.signal, deadline: 10_000, blocking: true }).catch(() => 'ended'),
    )
    await expect.poll(() => asked.length).toBe(STREAMS - 1)
    for (let times = 0; times < 20; times++) await transport.get('/v1/x')
    expect(wires).toHaveLength(1)
    ended.abort(new Error('nobody listens'))
    await Promise.all(hanging)
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

  it('do not wait for long for a connection that another one opens', async () => {
    using transport = asking()
    swallowing = 1
    const first = transport.get('/v1/x', { deadline: 8_000 }).catch(() => 'late')
    await expect.poll(() => wires.length).toBe(1)
    await expect
      .poll(async () => (await transport.get('/v1/x', { deadline: 400 }).catch(() => undefined))?.meta.index, { timeout: 3_000 })
      .toBe(10n)
    for (const { inside, outside } of wires.slice(0, 1)) for (const socket of [inside, outside]) socket.destroy()
    expect(await first).toBe('late')
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

  it('reach an IPv6 address, and go over as many connections as it takes where each carries few', async () => {
    using server = await narrowServer('::1')
    using transport = asking(`https://[::1]:${server.port}`)
    const ended = new AbortController()
    const hanging = Array.from({ length: 5 }, () =>
      transport.get('/hang', { signal: ended.signal, deadline: 10_000, blocking: true }).catch(() => 'ended'),
    )
    expect(String((await transport.get('/v1/x')).body)).toBe('[1]')
    expect(server.open.size).toBeGreaterThanOrEqual(3)
    // As many as is planned with.
    expect(await transport.streams?.carried()).toBe(2)
    ended.abort(new Error('nobody listens'))
    expect(new Set(await Promise.all(hanging))).toEqual(new Set(['ended']))
  })

  it('fail at once where the connection is ended before the first word, as for want of our certificate', async () => {
    const { cert, key } = certificate
    const strict = createSecureServer({ cert, key, ca: authority.cert, requestCert: true, rejectUnauthorized: true })
    using ends = new DisposableStack()
    ends.defer(() => strict.close())
    strict.listen(0, '127.0.0.1')
    await once(strict, 'listening')
    using transport = asking(`https://127.0.0.1:${(strict.address() as AddressInfo).port}`)
    const fault = await transport.get('/v1/x', { deadline: 4_000 }).catch((error: unknown) => error)
    expect(fault).toBeInstanceOf(ConsulFault)
    expect(String(fault)).not.toMatch(/did not answer|in time/)
  })

  it('leave the count of what a connection carries right, in whatever way they end', async () => {
    using server = await narrowServer('127.0.0.1')
    using transport = asking(`https://127.0.0.1:${server.port}`)
    const { streams } = transport
    if (streams === undefined) throw new Error('no streams')
    const never = new AbortController().signal
    for (let times = 0; times < 3; times++) {
      await expect(streams.send('/v1/x', {}, AbortSignal.abort(new Error('nobody listens')))).rejects.toThrow('nobody listens')
      await expect(streams.send('/v1/x', { ':none': '' }, never)).rejects.toThrow()
      const ended = new AbortController()
      const head = await streams.send('/v1/x', {}, ended.signal)
      if (times === 0) ended.abort(new Error('nobody listens'))
      else if (times === 1) head?.giveUp()
      else await head?.body.resume().toArray()
    }
    expect(server.open.size).toBe(1)
    // Two fit on it, and no more.
    const hanging = new AbortController()
    const asked = Array.from({ length: 2 }, () => streams.send('/hang', {}, hanging.signal).catch(() => 'ended'))
    const answered = await streams.send('/v1/x', {}, never)
    expect(answered?.status).toBe(200)
    expect(server.open.size).toBe(2)
    answered?.giveUp()
    hanging.abort(new Error('nobody listens'))
    expect(await Promise.all(asked)).toEqual(['ended', 'ended'])
  })

  it('fail where the other end takes leave with its first words, and open connections no faster than they are asked', async () => {
    using server = await narrowServer('127.0.0.1', (session) => session.goaway())
    using transport = asking(`https://127.0.0.1:${server.port}`)
    expect(await transport.get('/v1/x').catch((error: unknown) => error)).toBeInstanceOf(ConsulFault)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(server.open.size).toBe(1)
  })

  describe('leave no connection behind that is still being opened when nobody asks any more', () => {
    /** Gives the question up once `begun` resolves, and closes everything; then `far`, the other end, sees the connection end. */
    async function giveUp(agent: string | undefined, begun: () => Promise<unknown>, far: () => Socket | undefined) {
      const ended = new AbortController()
      {
        using transport = asking(agent)
        const question = transport.get('/v1/x', { signal: ended.signal, deadline: 60_000 }).catch(() => 'ended')
        await begun()
        ended.abort(new Error('nobody listens'))
        expect(await question).toBe('ended')
      }
      far()?.resume()
      await expect.poll(() => far()?.destroyed, { timeout: 2_000 }).toBe(true)
    }

    it('within the handshake', async () => {
      swallowing = 1
      await giveUp(
        undefined,
        () => expect.poll(() => wires.length).toBe(1),
        () => wires[0]?.outside,
      )
      for (const { inside } of wires) inside.destroy()
    })

    it('before the first word', async () => {
      let far: Socket | undefined
      const silent = createTlsServer({ cert: certificate.cert, key: certificate.key, ALPNProtocols: ['h2'] })
      using ends = new DisposableStack()
      ends.defer(() => {
        far?.destroy()
        silent.close()
      })
      silent.on('secureConnection', (socket) => {
        far = socket.on('error', () => {})
      })
      silent.listen(0, '127.0.0.1')
      await once(silent, 'listening')
      const begun = () => expect.poll(() => far !== undefined).toBe(true)
      await giveUp(`https://127.0.0.1:${(silent.address() as AddressInfo).port}`, begun, () => far)
    })
  })
})
