import { execFile } from 'node:child_process'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createServer, type TlsOptions } from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { ProbeTarget } from '../../../src/health/target.ts'
import type { ProbeTls } from '../../../src/model/probe-spec.ts'
import { type Certificate, type CertificateAuthority, makeAuthority } from '../../peers/certificates.ts'
import { PeerProcess } from '../../peers/peer-process.ts'
import { pause, scratchDirectory } from '../scratch.ts'
import { address, BAD_MANNERS, deserted, listening, nothingIsLeft, serving } from './bad-servers.ts'
import { asksHere, probeOf } from './who-asks.ts'

let authority: CertificateAuthority
let stranger: CertificateAuthority
let good: Certificate

beforeAll(async () => {
  authority = await makeAuthority()
  stranger = await makeAuthority('Somebody else')
  good = await authority.issue({ name: 'web.example', addresses: ['127.0.0.1'], days: 30 })
})

afterAll(() => {
  authority[Symbol.dispose]()
  stranger[Symbol.dispose]()
})

function ask(target: ProbeTarget, tls: Partial<ProbeTls> = {}) {
  const spec = { kind: 'tls' as const, tls: { verify: true, caFile: authority.certFile, ...tls } }
  return probeOf(spec, target)(AbortSignal.timeout(2_000))
}

async function tlsServer({ cert, key }: Certificate, options: TlsOptions = {}): Promise<ProbeTarget> {
  const server = createServer({ cert, key, ...options }, (socket) => socket.on('error', () => {}))
  return listening(server)
}

describe('a certificate', () => {
  it('of a known authority and for the name passes, and its days are told', async () => {
    const target = await tlsServer(good)
    expect(await ask(target, { serverName: 'web.example' })).toEqual({ outcome: 'passed', certificateDays: 29 })
    await nothingIsLeft()
  })

  it('for the address passes where no name is written, and no name is sent', async () => {
    const names: string[] = []
    const target = await tlsServer(good, {
      SNICallback: (name, give) => {
        names.push(name)
        give(null)
      },
    })
    expect(await ask(target)).toMatchObject({ outcome: 'passed' })
    expect(names).toEqual([])
    expect(await ask(target, { serverName: 'web.example' })).toMatchObject({ outcome: 'passed' })
    expect(names).toEqual(['web.example'])
  })

  it('for another name fails, and both names are told', async () => {
    const target = await tlsServer(good)
    expect(await ask(target, { serverName: 'shop.example' })).toEqual({
      outcome: 'failed',
      failure: 'tls',
      message: `127.0.0.1:${target.port} shows a certificate for DNS:web.example, IP Address:127.0.0.1, not for shop.example`,
      certificateDays: 29,
    })
    await nothingIsLeft()
  })

  it('that has run out fails, and the days since are told', async () => {
    const target = await tlsServer(await authority.issue({ name: 'web.example', days: -1 }))
    const day = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10)
    expect(await ask(target, { serverName: 'web.example' })).toEqual({
      outcome: 'failed',
      failure: 'tls',
      message: `127.0.0.1:${target.port} shows a certificate that has run out (valid to ${day})`,
      certificateDays: -2,
    })
  })

  it('of an unknown authority fails', async () => {
    const target = await tlsServer(await stranger.issue({ name: 'web.example' }))
    const fault = {
      outcome: 'failed',
      failure: 'tls',
      message: expect.stringMatching(/^127\.0\.0\.1:\d+ shows a certificate of an authority that is not known here \(UNABLE_TO_/),
    }
    expect(await ask(target, { serverName: 'web.example' })).toMatchObject(fault)
    expect(await probeOf({ kind: 'tls', tls: { verify: true } }, target)(AbortSignal.timeout(2_000))).toMatchObject(fault)
  })

  it('of any kind passes where it is not verified', async () => {
    const target = await tlsServer(await stranger.issue({ name: 'shop.example', days: -1 }))
    expect(await probeOf({ kind: 'tls', tls: { verify: false } }, target)(AbortSignal.timeout(2_000))).toEqual({
      outcome: 'passed',
      certificateDays: -2,
    })
  })
})

describe('our own certificate', () => {
  it('is shown, and refused where it is missing', async () => {
    const target = await tlsServer(good, { requestCert: true, ca: authority.cert, maxVersion: 'TLSv1.2' })
    const { certFile, keyFile } = await authority.issue({ name: 'director.example' })
    expect(await ask(target, { certFile, keyFile })).toMatchObject({ outcome: 'passed' })
    expect(await ask(target)).toEqual({
      outcome: 'failed',
      failure: 'tls',
      message: `127.0.0.1:${target.port} refuses the TLS handshake (ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE)`,
    })
    await nothingIsLeft()
  })
})

describe('files', () => {
  it('are read again when they change', async () => {
    const directory = await scratchDirectory()
    const caFile = join(directory, 'ca.pem')
    await copyFile(stranger.certFile, caFile)
    const target = await tlsServer(good)
    const probe = probeOf({ kind: 'tls', tls: { verify: true, caFile } }, target)
    expect(await probe(AbortSignal.timeout(2_000))).toMatchObject({ outcome: 'failed', failure: 'tls' })
    await copyFile(authority.certFile, caFile)
    await pause(1_100)
    expect(await probe(AbortSignal.timeout(2_000))).toMatchObject({ outcome: 'passed' })
  })

  it('that cannot be used tell nothing of the backend', async () => {
    const directory = await scratchDirectory()
    const target = await tlsServer(good)
    const caFile = join(directory, 'ca.pem')
    expect(await ask(target, { caFile })).toEqual({ outcome: 'unknown', message: `${caFile} cannot be read (ENOENT)` })
    await writeFile(caFile, 'no certificate')
    expect(await ask(target, { caFile })).toEqual({ outcome: 'unknown', message: `${caFile} holds no certificate` })
    const { certFile } = good
    const { keyFile } = await authority.issue({ name: 'director.example' })
    expect(await ask(target, { certFile, keyFile })).toEqual({
      outcome: 'unknown',
      message: `${keyFile} is no key of the certificate in ${certFile}`,
    })
  })

  it('that a disk does not give out in time tell nothing, and are used once they have come', async () => {
    const target = await tlsServer(good)
    const caFile = join(await scratchDirectory(), 'ca.pem')
    await promisify(execFile)('mkfifo', [caFile])
    const probe = probeOf({ kind: 'tls', tls: { verify: true, caFile } }, target)
    const [first, second] = await Promise.all([probe(AbortSignal.timeout(100)), probe(AbortSignal.timeout(1_200))])
    expect(first).toEqual({ outcome: 'unknown', message: `${caFile} could not be read in time` })
    expect(second).toEqual(first)
    // Two threads read one pipe: who of them gets what comes through it is chance.
    if (!asksHere()) return
    const third = probe(AbortSignal.timeout(5_000))
    await writeFile(caFile, await readFile(authority.certFile))
    expect(await third).toMatchObject({ outcome: 'passed' })
  })
})

describe('a backend', () => {
  it('that is openssl s_server passes', async () => {
    const { port } = await deserted()
    const argv = ['openssl', 's_server', '-accept', `127.0.0.1:${port}`, '-cert', good.certFile, '-key', good.keyFile, '-quiet']
    const server = new PeerProcess(argv, { env: {} })
    onTestFinished(() => server.stop())
    const target = { address: address('127.0.0.1'), port }
    await server.until(async () => (await ask(target)).outcome === 'passed', 'a handshake')
    expect(await ask(target, { serverName: 'web.example' })).toEqual({ outcome: 'passed', certificateDays: 29 })
  })

  it('that speaks no TLS fails', async () => {
    const target = await serving((socket) => socket.end('220 mail.example ready\r\n'))
    expect(await ask(target)).toEqual({
      outcome: 'failed',
      failure: 'tls',
      message: `127.0.0.1:${target.port} does not speak TLS`,
    })
    await nothingIsLeft()
  })

  it.each([
    ['accepts and never answers', ['no-answer'], /does not finish the TLS handshake in time$/],
    ['answers one byte a second', ['no-answer', 'tls'], /does not (finish the TLS handshake in time|speak TLS)$/],
    ['never ends its answer', ['tls'], /does not speak TLS$/],
    ['closes at once', ['closed'], /ends the connection within the TLS handshake$/],
    ['resets at once', ['closed'], /(resets the connection|ends the connection within the TLS handshake)$/],
  ])('that %s fails in time, and no socket is left', async (manners, failures, message) => {
    const target = await serving(BAD_MANNERS[manners] ?? (() => {}))
    const begun = performance.now()
    const result = await ask(target)
    expect(performance.now() - begun).toBeLessThan(3_000)
    expect(result).toMatchObject({ outcome: 'failed', message: expect.stringMatching(message) })
    expect(failures).toContain(result.outcome === 'failed' && result.failure)
    await nothingIsLeft()
  })

  it('is refused where nobody listens', async () => {
    expect(await ask(await deserted())).toMatchObject({ outcome: 'failed', failure: 'refused' })
  })
})
