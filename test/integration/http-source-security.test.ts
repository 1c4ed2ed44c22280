import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { makeAuthority } from '../peers/certificates.ts'
import { listReply, startHttpServer } from '../peers/http-server.ts'
import { loopbackAddress } from '../peers/place.ts'
import { groups, inventory, watching } from './http-watching.ts'
import { scratchDirectory } from './scratch.ts'

describe('who may be asked and who asks', () => {
  it('proves itself by a password out of a file, read again for each request', async () => {
    await using server = await startHttpServer()
    const passwordFile = join(await scratchDirectory(), 'password')
    const auth = { kind: 'basic', username: 'pointsman', passwordFile } as const
    server.reply((request, response) => {
      const right = request.headers.authorization === `Basic ${Buffer.from('pointsman:new secret').toString('base64')}`
      response.writeHead(right ? 200 : 401, { 'content-type': 'application/json' }).end(JSON.stringify(groups(1)))
    })
    const { says, fails, listener } = watching(inventory(server.url, { auth }))
    await fails(`${passwordFile}: there is no such file`)
    expect(server.requests, 'nothing is asked without the password').toHaveLength(0)
    await writeFile(passwordFile, 'old secret\n')
    await fails('the server answers with status 401; check basic_auth')
    await writeFile(passwordFile, 'new secret\n')
    await says('fresh', 1)
    expect(JSON.stringify(listener.heard)).not.toMatch(/old secret|new secret/)
  })

  it('proves itself by a token, and does not show it to another host', async () => {
    await using server = await startHttpServer()
    await using elsewhere = await startHttpServer()
    const tokenFile = join(await scratchDirectory(), 'token')
    await writeFile(tokenFile, 'hunter2\n')
    server.replyOnce({ status: 307, headers: { location: '/v2' } }, listReply(groups(1)))
    server.reply({ status: 307, headers: { location: elsewhere.url } })
    const { says, fails } = watching(inventory(server.url, { auth: { kind: 'bearer', tokenFile } }))
    await says('fresh', 1)
    expect(server.requests.map(({ path, headers }) => [path, headers.authorization])).toEqual([
      ['/', 'Bearer hunter2'],
      ['/v2', 'Bearer hunter2'],
    ])
    await fails(`the server redirects to ${elsewhere.url}`)
    expect(elsewhere.connections).toBe(0)
    await writeFile(tokenFile, 'two words\n')
    const { listener } = watching(inventory(server.url, { auth: { kind: 'bearer', tokenFile } }))
    const event = await listener.until((last) => last.kind === 'pending' && last.failure !== undefined, 'the reason')
    expect(JSON.stringify(event)).toContain('holds more than a token on one line')
    expect(JSON.stringify(event)).not.toContain('two words')
  })

  it('uses no proxy, even where Node is told to', async () => {
    await using server = await startHttpServer()
    await using proxy = await startHttpServer()
    server.reply(listReply(groups(1)))
    const script = `
      import { get } from 'node:http'
      import { openSourceWith } from '${import.meta.resolve('../../src/sources/registry.ts')}'
      import { spec } from '${import.meta.resolve('../unit/pipeline/makers.ts')}'
      const source = ${JSON.stringify(inventory(`${server.url}/list`))}
      await new Promise((resolve) => get('${server.url}/control', (response) => response.resume().on('end', resolve)))
      openSourceWith()(source, spec()).subscribe((event) => event.kind === 'fresh' && process.exit(0))`
    const env = { ...process.env, NODE_USE_ENV_PROXY: '1', http_proxy: proxy.url, no_proxy: '' }
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { env, timeout: 20_000 })
    expect(server.requests.map(({ path }) => path)).toEqual(['/list'])
    expect(proxy.requests.map(({ path }) => path)).toEqual([`${server.url}/control`])
  })
})

describe('over TLS', () => {
  it('believes the authority that is named, and asks with its own certificate', async () => {
    using authority = await makeAuthority()
    const address = loopbackAddress()
    const certificate = await authority.issue({ name: 'lists.example', addresses: [address] })
    const ours = await authority.issue({ name: 'pointsman' })
    await using server = await startHttpServer({ address, tls: { certificate, clientCa: authority.cert } })
    server.reply(listReply(groups(1)))
    const tls = { caFile: authority.certFile, certFile: ours.certFile, keyFile: ours.keyFile, verify: true }
    await watching(inventory(server.url, { tls })).says('fresh', 1)
    expect(server.requests[0]?.clientName).toBe('pointsman')
    await watching(inventory(server.url, { tls: { caFile: authority.certFile, verify: true } })).fails(
      'the server wants a certificate of ours',
    )
  })

  it('verifies authority, name and date, unless told not to', async () => {
    using authority = await makeAuthority()
    using stranger = await makeAuthority('A stranger')
    const address = loopbackAddress()
    const certificate = await authority.issue({ name: 'lists.example' })
    await using server = await startHttpServer({ address, tls: { certificate } })
    server.reply(listReply(groups(1)))
    const { certFile: caFile } = authority
    await watching(inventory(server.url)).fails('its certificate is signed by nobody who is known here')
    await watching(inventory(server.url, { tls: { caFile: stranger.certFile, verify: true } })).fails('signed by nobody')
    await watching(inventory(server.url, { tls: { caFile, verify: true } })).fails('its certificate is for another name')
    await watching(inventory(server.url, { tls: { caFile, serverName: 'lists.example', verify: true } })).says('fresh', 1)
    await watching(inventory(server.url, { tls: { verify: false } })).says('fresh', 1)
    const old = await authority.issue({ name: 'lists.example', days: -1 })
    await using expired = await startHttpServer({ tls: { certificate: old } })
    await watching(inventory(expired.url, { tls: { caFile, serverName: 'lists.example', verify: true } })).fails('has expired')
  })

  it('says which file is no certificate, and what does not speak TLS', async () => {
    await using server = await startHttpServer()
    const caFile = join(await scratchDirectory(), 'ca.pem')
    await writeFile(caFile, 'no certificate')
    const url = server.url.replace('http:', 'https:')
    await watching(inventory(url, { tls: { caFile, verify: true } })).fails(`${caFile} holds no PEM block; write the ca in PEM`)
    await watching(inventory(url, { tls: { caFile: '/dev/zero', verify: true } })).fails(
      '/dev/zero: is not a regular file; name a file that holds the secret, certificate or key alone',
    )
    await watching(inventory(url)).fails('TLS is not possible')
  })
})
