import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TlsSpec } from '../../../../src/model/tls-spec.ts'
import { ConsulAgents } from '../../../../src/sources/consul/agents.ts'
import { ConsulFault } from '../../../../src/sources/consul/fault.ts'
import { AT_ONCE } from '../../../../src/sources/consul/prompt-gate.ts'
import { healthQuery, requestTarget } from '../../../../src/sources/consul/query.ts'
import { ConsulTransport } from '../../../../src/sources/consul/transport.ts'
import { type Certificate, type CertificateAuthority, makeAuthority } from '../../../peers/certificates.ts'
import { consulSpec, LED, type Script, ScriptedAgent, scripted } from './scripted-agent.ts'

interface Asking {
  readonly token?: string
  readonly deadline?: number
  readonly signal?: AbortSignal
}

function transportTo(addresses: readonly string[], tls?: TlsSpec, bodyLimit?: number) {
  const transport = new ConsulTransport(new ConsulAgents(addresses, tls), bodyLimit)
  const get = (target: string, { token, deadline = 2_000, signal = new AbortController().signal }: Asking = {}) =>
    transport.get(transport.agents.current, { target, token, blocking: false, deadline, signal })
  return { transport, get, [Symbol.dispose]: () => transport[Symbol.dispose]() }
}

async function faultOf(answer: Promise<unknown>): Promise<ConsulFault> {
  const error = await answer.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof ConsulFault) return error
  throw new Error(`no ConsulFault but ${String(error)}`)
}

async function withAgent(script: Script, use: (agent: ScriptedAgent, asked: ReturnType<typeof transportTo>) => Promise<void>) {
  await using agent = await scripted(script)
  using asked = transportTo([agent.url])
  await use(agent, asked)
}

describe('a question to an agent, in bytes', () => {
  it('carries namespace, partition and datacenter in the query and the token in a header only', () =>
    withAgent(
      () => ({}),
      async (agent, { get }) => {
        const spec = consulSpec([], {
          datacenter: 'dc2',
          namespace: 'team',
          partition: 'p1',
          consistency: 'stale',
          tags: ['prod'],
        })
        await get(requestTarget(healthQuery(spec), { index: 7n, wait: 60_000 }), { token: 's3cret' })
        const [first, ...headers] = agent.asked[0]?.text.split('\r\n') ?? []
        expect(first).toBe('GET /v1/health/service/web?dc=dc2&ns=team&partition=p1&stale&tag=prod&index=7&wait=60000ms')
        expect(headers).toContain('x-consul-token: s3cret')
        expect(headers.filter((line) => line.includes('s3cret'))).toHaveLength(1)
      },
    ))

  it('goes without the header where there is no token', () =>
    withAgent(
      () => ({}),
      async (agent, { get }) => {
        await get('/v1/catalog/services')
        expect(agent.asked[0]?.text).not.toMatch(/token/i)
      },
    ))

  it('goes over one kept connection', () =>
    withAgent(
      () => ({}),
      async (agent, { get }) => {
        for (let time = 0; time < 20; time++) await get('/v1/x')
        expect(agent.connections).toBe(1)
      },
    ))

  it('goes over a new connection when the agent closed the kept one', () =>
    withAgent(
      () => ({}),
      async (agent, { get }) => {
        await get('/v1/x')
        agent.disconnect()
        await get('/v1/x')
        expect(agent.asked).toHaveLength(2)
      },
    ))

  it('reaches a unix socket', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'consul-socket-'))
    try {
      const path = join(directory, 'http.sock')
      await using agent = await new ScriptedAgent(() => ({ body: '[1]' })).listen({ path })
      using asked = transportTo([`unix://${path}`])
      expect(String((await asked.get('/v1/x')).body)).toBe('[1]')
      expect(agent.asked[0]?.path).toBe('/v1/x')
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
})

describe('an answer that is none', () => {
  const cases: readonly [string, Script, string, RegExp][] = [
    [
      'without a leader',
      () => ({ status: 500, headers: {}, body: 'No cluster leader' }),
      'SOURCE_UNREADABLE',
      /answered 500: No cluster leader;/,
    ],
    [
      'forbidden',
      () => ({ status: 403, headers: {}, body: 'ACL not found' }),
      'SOURCE_UNREADABLE',
      /answered 403: ACL not found; give the source a token/,
    ],
    [
      'of another server',
      () => ({ status: 404, headers: {}, body: '' }),
      'SOURCE_UNREADABLE',
      /answered 404 to \/v1\/x; write the address/,
    ],
    [
      'of an agent that is full',
      () => ({ status: 429, headers: {}, body: 'Your IP is issuing too many concurrent connections' }),
      'SOURCE_UNREADABLE',
      /429: Your IP is .*http_max_conns_per_client/,
    ],
    [
      'to a namespace that it does not know',
      () => ({ status: 400, headers: {}, body: 'Invalid query parameter: "ns"' }),
      'SOURCE_INVALID',
      /400: Invalid query parameter: "ns"; .*Enterprise/,
    ],
    [
      'a page for people',
      () => ({ headers: { 'Content-Type': 'text/html' }, body: '<html>' }),
      'SOURCE_INVALID',
      /text\/html where JSON is due/,
    ],
    ['of no type', () => ({ headers: {}, body: '[]' }), 'SOURCE_INVALID', /a body of no known type/],
    ['a redirect', () => ({ status: 301, headers: { Location: 'http://127.0.0.1:1/' } }), 'SOURCE_UNREADABLE', /answered 301/],
    ['cut off before its head', () => 'cut', 'SOURCE_UNREADABLE', /closed the connection in the middle/],
    ['cut off in its body', () => 'half', 'SOURCE_UNREADABLE', /closed the connection in the middle/],
  ]

  it.each(cases)('%s says so in one sentence', (_, script, code, sentence) =>
    withAgent(script, async (agent, { get }) => {
      const fault = await faultOf(get('/v1/x?token-is-not-here'))
      expect(fault.message).toMatch(sentence)
      expect(fault.message).toMatch(new RegExp(`^Consul at ${agent.url} `))
      expect(fault.code).toBe(code)
    }),
  )

  it('that does not come ends with its deadline', () =>
    withAgent(
      () => 'hang',
      async (_agent, { get }) => {
        const began = performance.now()
        const fault = await faultOf(get('/v1/x', { deadline: 100 }))
        expect(fault.message).toMatch(/did not answer within 1 s$/)
        expect(performance.now() - began).toBeLessThan(1_500)
      },
    ))

  it('above the limit is not taken', async () => {
    await using agent = await scripted(() => ({ body: `["${'x'.repeat(2_000)}"]` }))
    using asked = transportTo([agent.url], undefined, 1_000)
    expect((await faultOf(asked.get('/v1/x'))).message).toMatch(/more than 1000 bytes/)
  })

  it('of a place where nobody listens says so', async () => {
    using asked = transportTo(['http://127.0.0.1:1', 'unix:///nowhere/consul.sock'])
    expect((await faultOf(asked.get('/v1/x'))).message).toBe(
      'Consul at http://127.0.0.1:1 refuses the connection; start the agent or correct address',
    )
    expect((await faultOf(asked.get('/v1/x'))).message).toBe(
      'Consul at unix:///nowhere/consul.sock has no socket; start the agent or correct address',
    )
  })

  it('is given up when nobody wants it any more', () =>
    withAgent(
      () => 'hang',
      async (agent, { get }) => {
        const ended = new AbortController()
        const answer = get('/v1/x', { signal: ended.signal })
        await expect.poll(() => agent.asked.length).toBe(1)
        ended.abort(new Error('nobody listens'))
        await expect(answer).rejects.toThrow('nobody listens')
      },
    ))
})

describe('several agents', () => {
  it('are asked one after the other, and the one that answers is kept', async () => {
    await using second = await scripted(() => ({}))
    using asked = transportTo(['http://127.0.0.1:1', second.url])
    await faultOf(asked.get('/v1/x'))
    for (let time = 0; time < 3; time++) expect((await asked.get('/v1/x')).agent.name).toBe(second.url)
  })

  it('begin anew when the last one fails', async () => {
    await using first = await scripted((_, number) => (number === 1 ? { status: 500, headers: {} } : {}))
    using asked = transportTo([first.url, 'http://127.0.0.1:1'])
    await faultOf(asked.get('/v1/x'))
    await faultOf(asked.get('/v1/x'))
    expect((await asked.get('/v1/x')).agent.name).toBe(first.url)
  })

  it('do not change because the question is refused', async () => {
    await using first = await scripted(() => ({ status: 403, headers: {} }))
    using asked = transportTo([first.url, 'http://127.0.0.1:1'])
    await faultOf(asked.get('/v1/x'))
    expect(asked.transport.agents.current.name).toBe(first.url)
  })
})

describe('TLS to an agent', () => {
  let authority: CertificateAuthority
  let directory: string
  beforeAll(async () => {
    authority = await makeAuthority()
    directory = mkdtempSync(join(tmpdir(), 'consul-tls-'))
  })
  afterAll(() => {
    authority[Symbol.dispose]()
    rmSync(directory, { recursive: true, force: true })
  })

  async function secured(use: (url: string, client: Certificate) => Promise<void>) {
    const server = await authority.issue({ name: 'server.dc1.consul' })
    const client = await authority.issue({ name: 'pointsman' })
    const tlsServer = createTlsServer({
      ca: authority.cert,
      cert: server.cert,
      key: server.key,
      requestCert: true,
      rejectUnauthorized: true,
    })
    await using agent = await new ScriptedAgent(() => ({ headers: LED }), tlsServer as never).listen()
    await use(`https://127.0.0.1:${agent.port}`, client)
  }

  it('verifies the name that is written and shows our certificate', () =>
    secured(async (url, { certFile, keyFile }) => {
      const tls = { caFile: authority.certFile, certFile, keyFile, serverName: 'server.dc1.consul', verify: true }
      using asked = transportTo([url], tls)
      expect((await asked.get('/v1/x')).meta.knownLeader).toBe(true)
      using misnamed = transportTo([url], { ...tls, serverName: 'server.dc2.consul' })
      expect((await faultOf(misnamed.get('/v1/x'))).message).toMatch(/has a certificate for another name/)
      using untrusted = transportTo([url], { certFile, keyFile, verify: true, serverName: 'server.dc1.consul' })
      expect((await faultOf(untrusted.get('/v1/x'))).message).toMatch(/nobody known here has signed/)
      using nameless = transportTo([url], { caFile: authority.certFile, serverName: 'server.dc1.consul', verify: true })
      await faultOf(nameless.get('/v1/x'))
    }))

  it('reads the files again for a new connection', () =>
    secured(async (url, client) => {
      const certFile = join(directory, 'client.pem')
      const keyFile = join(directory, 'client.key')
      const tls = { caFile: authority.certFile, certFile, keyFile, serverName: 'server.dc1.consul', verify: true }
      using asked = transportTo([url], tls)
      expect((await faultOf(asked.get('/v1/x'))).message).toBe(`${certFile}: the file cannot be read (ENOENT); correct tls`)
      const { cert, key } = client
      writeFileSync(certFile, cert)
      writeFileSync(keyFile, key)
      await asked.get('/v1/x')
    }))
})

describe('many questions at once', () => {
  it('are asked in turn, but for those that must not wait behind the ones that hang', async () => {
    await withAgent(
      ({ path }) => (path === '/hang' ? 'hang' : {}),
      async (agent, { transport }) => {
        const ended = new AbortController()
        const parts = { token: undefined, blocking: false, deadline: 10_000, signal: ended.signal }
        const ask = (target: string, urgent: boolean) => transport.get(transport.agents.current, { ...parts, target, urgent })
        const hanging = Array.from({ length: AT_ONCE + 5 }, () => ask('/hang', false).catch(() => 'ended'))
        await expect.poll(() => agent.asked.length).toBe(AT_ONCE)
        await ask('/v1/x', true)
        expect(agent.asked.map(({ path }) => path)).toEqual([...new Array(AT_ONCE).fill('/hang'), '/v1/x'])
        ended.abort(new Error('nobody listens'))
        expect(await Promise.all(hanging)).toEqual(new Array(AT_ONCE + 5).fill('ended'))
      },
    )
  })
})
