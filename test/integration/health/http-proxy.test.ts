import { createServer, request } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { httpProbe } from '../../../src/health/http.ts'
import { type ProbeTarget, targetName } from '../../../src/health/target.ts'
import type { HttpProbeSpec, ProbeTls } from '../../../src/model/probe-spec.ts'
import { type Certificate, type CertificateAuthority, makeAuthority } from '../../peers/certificates.ts'
import { BAD_MANNERS, deserted, listening, nothingIsLeft, serving } from './bad-servers.ts'

const USUAL: HttpProbeSpec = {
  kind: 'http',
  version: '1.1',
  method: 'GET',
  path: '/healthz',
  headers: {},
  status: [{ from: 200, to: 200 }],
  redirects: 'accept',
}

function ask(target: ProbeTarget, more: Partial<HttpProbeSpec>) {
  return httpProbe(target, { ...USUAL, ...more })(AbortSignal.timeout(1_500))
}

let authority: CertificateAuthority
let good: Certificate
let tls: ProbeTls

beforeAll(async () => {
  authority = await makeAuthority()
  good = await authority.issue({ name: 'web.example', addresses: ['127.0.0.1'] })
  tls = { verify: true, caFile: authority.certFile, serverName: 'web.example' }
})

afterAll(() => authority[Symbol.dispose]())

/** A forward proxy: whole addresses are asked, tunnels are opened, what cannot be reached is 502. */
async function proxying(): Promise<{ target: ProbeTarget; through: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer(({ method, url = '', headers }, response) => {
    asked.push(`${method} ${url}`)
    const { host: _, ...others } = headers
    const on = request(url, { method, headers: others }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    on.on('error', () => response.writeHead(502).end())
    on.end()
  })
  server.on('connect', ({ url = '' }, socket) => {
    asked.push(`CONNECT ${url}`)
    if (url.startsWith('forbidden')) return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    const [host = '', port] = url.split(':')
    const on = connect(Number(port), host === 'web.example' ? '127.0.0.1' : host)
    on.once('connect', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      on.pipe(socket).pipe(on)
    })
    on.on('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'))
    socket.on('error', () => on.destroy())
    socket.on('close', () => on.destroy())
  })
  const target = await listening(server)
  return { target, through: `http://${targetName(target)}`, asked }
}

const plain = () => listening(createServer(({ url }, response) => response.end(`plain ${url}`)))
const secured = () =>
  listening(createHttpsServer({ cert: good.cert, key: good.key }, ({ url }, response) => response.end(`secret ${url}`)))

describe('through a proxy', () => {
  it('a backend is asked by its whole address', async () => {
    const { through, asked } = await proxying()
    const target = await plain()
    expect(await ask(target, { proxy: { through }, body: { by: 'text', value: 'plain /healthz' } })).toEqual({
      outcome: 'passed',
    })
    expect(asked).toEqual([`GET http://${targetName(target)}/healthz`])
    await nothingIsLeft()
  })

  it('a backend over TLS is asked through a tunnel', async () => {
    const { through, asked } = await proxying()
    const target = await secured()
    expect(await ask(target, { proxy: { through }, tls, body: { by: 'text', value: 'secret /healthz' } })).toEqual({
      outcome: 'passed',
      certificateDays: 1,
    })
    const wrong = await ask(target, { proxy: { through }, tls: { ...tls, serverName: 'shop.example' } })
    expect(wrong).toMatchObject({ failure: 'tls', message: expect.stringMatching(/through the proxy .* not for shop\.example$/) })
    expect(asked).toEqual(Array(2).fill(`CONNECT ${targetName(target)}`))
    await nothingIsLeft()
  })

  it('a backend that is not reached fails', async () => {
    const { through } = await proxying()
    const target = await deserted()
    const whom = `${targetName(target)} through the proxy ${through.slice(7)}`
    expect(await ask(target, { proxy: { through } })).toEqual({
      outcome: 'failed',
      failure: 'wrong-answer',
      message: `${whom} answers with status 502`,
    })
    expect(await ask(target, { proxy: { through }, tls })).toEqual({
      outcome: 'failed',
      failure: 'wrong-answer',
      message: `${whom} opens no tunnel to ${targetName(target)}: it answers with status 502`,
    })
    await nothingIsLeft()
  })

  it('that does not let us through, or is not there, nothing is learnt of the backend', async () => {
    const target = await secured()
    const strict = await listening(
      createServer().on('connect', (_, socket) => void socket.end('HTTP/1.1 407 Who are you\r\n\r\n')),
    )
    const open = await listening(createServer((_, response) => response.writeHead(407).end()))
    const none = await deserted()
    const through = (proxy: ProbeTarget) => ({ proxy: { through: `http://${targetName(proxy)}` } })
    expect(await ask(target, { ...through(strict), tls })).toEqual({
      outcome: 'unknown',
      message: `the proxy opens no tunnel to ${targetName(target)}: it answers with status 407`,
    })
    expect(await ask(target, through(open))).toEqual({
      outcome: 'unknown',
      message: 'the proxy wants to know who asks: it answers with status 407',
    })
    expect(await ask(target, { ...through(none), tls })).toEqual({
      outcome: 'unknown',
      message: `the proxy is not reached: ${targetName(none)} refuses connections`,
    })
    await nothingIsLeft()
  })

  it.each(Object.keys(BAD_MANNERS))('that %s a probe ends in time, and no socket is left', async (manners) => {
    const target = await secured()
    const proxy = await serving(BAD_MANNERS[manners] ?? (() => {}))
    for (const more of [{}, { tls }]) {
      const begun = performance.now()
      const { outcome } = await ask(target, { proxy: { through: `http://${targetName(proxy)}` }, ...more })
      expect(performance.now() - begun).toBeLessThan(2_500)
      expect(outcome).not.toBe('passed')
      await nothingIsLeft()
    }
  })
})

describe('a backend that is a proxy', () => {
  it('passes when it reaches what it is asked for', async () => {
    const { target, asked } = await proxying()
    const web = await plain()
    const url = `http://${targetName(web)}/page?x=1`
    const host = targetName(web)
    expect(await ask(target, { proxy: { url }, host, path: '/page?x=1' })).toEqual({ outcome: 'passed' })
    const safe = await secured()
    const at = `web.example:${safe.port}`
    expect(await ask(target, { proxy: { url: `https://${at}/page` }, host: at, path: '/page', tls })).toEqual({
      outcome: 'passed',
      certificateDays: 1,
    })
    expect(asked).toEqual([`GET ${url}`, `CONNECT ${at}`])
    await nothingIsLeft()
  })

  it('fails when it reaches nobody, or lets nobody through', async () => {
    const { target } = await proxying()
    const none = targetName(await deserted())
    expect(await ask(target, { proxy: { url: `http://${none}/` }, host: none })).toMatchObject({
      message: `${targetName(target)} answers with status 502`,
    })
    expect(await ask(target, { proxy: { url: 'https://forbidden.example/' }, host: 'forbidden.example', tls })).toEqual({
      outcome: 'failed',
      failure: 'wrong-answer',
      message: `${targetName(target)} opens no tunnel to forbidden.example:443: it answers with status 403`,
    })
    await nothingIsLeft()
  })
})
