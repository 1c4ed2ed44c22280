import { rmSync } from 'node:fs'
import { utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CertificateAuthority, makeAuthority } from '../peers/certificates.ts'
import { type FaultProxy, startFaultProxy } from '../peers/fault-proxy.ts'
import { type NginxServer, startNginx } from '../peers/nginx.ts'
import { loopbackAddress } from '../peers/place.ts'
import { groups, inventory, watching } from './http-watching.ts'
import { scratchDirectory } from './scratch.ts'

const SERVER = `
  location /old/ { return 301 /web.json; }
  location /away/ { return 302 http://inventory.example/web.json; }
  location /tls/ { return 308 https://$host:8443/web.json; }
  location /down/ { return 302 http://$host:8080/web.json; }
  location /broken/ { proxy_pass http://127.0.0.1:1; }
  location /limited/ { limit_req zone=one; limit_req_status 429; error_page 429 = @later; alias files/; }
  location @later { add_header Retry-After 1 always; return 429; }
  location /private/ { auth_basic lists; auth_basic_user_file passwords; alias files/; }
  location /cached/ { alias files/; expires 1s; }`

describe('a list in a file behind nginx', () => {
  let authority: CertificateAuthority
  let nginx: NginxServer
  let proxy: FaultProxy
  const list = (...members: number[]) => nginx.write('web.json', JSON.stringify(groups(...members)))

  beforeAll(async () => {
    authority = await makeAuthority()
    const address = loopbackAddress()
    const certificate = await authority.issue({ name: 'lists.example', addresses: [address] })
    nginx = await startNginx({ address, certificate, server: SERVER })
    proxy = await startFaultProxy({ to: nginx })
  })

  afterAll(async () => {
    await proxy?.[Symbol.asyncDispose]()
    await nginx?.[Symbol.asyncDispose]()
    authority?.[Symbol.dispose]()
  })

  it('is read packed, and confirmed by 304', async () => {
    list(1, 2)
    await utimes(nginx.path('web.json'), 1e9, 1e9)
    proxy.requests.length = 0
    const { listener, says } = watching(inventory(`${proxy.url}/web.json`))
    const first = await says('fresh', 1, 2)
    await listener.until(
      (last) => last.kind === 'fresh' && first.kind === 'fresh' && last.set.at > first.set.at,
      'a confirmation',
    )
    expect(proxy.requests.slice(0, 2).map(({ reply }) => [reply?.status, reply?.headers['content-encoding']])).toEqual([
      [200, 'gzip'],
      [304, undefined],
    ])
  })

  it('is read to its last change, also when it is written twice in one second with equal lengths', async () => {
    const moment = Math.floor(Date.now() / 1_000)
    list(1)
    await utimes(nginx.path('web.json'), moment, moment)
    const { says } = watching(inventory(`${nginx.url}/web.json`))
    await says('fresh', 1)
    list(2)
    await utimes(nginx.path('web.json'), moment, moment)
    await says('fresh', 2)
  })

  it('that is missing, half-written or behind a dead server is an outage', async () => {
    list(1, 2)
    const { says, fails } = watching(inventory(`${nginx.url}/web.json`))
    await says('fresh', 1, 2)
    rmSync(nginx.path('web.json'))
    await fails('the server answers with status 404; correct the url, or create the list')
    nginx.write('web.json', JSON.stringify(groups(1, 2)).slice(0, -5))
    await fails('the answer is not JSON')
    nginx.write('web.json', '')
    await fails('the answer is empty')
    await nginx.stop()
    await fails('the connection is refused')
    list(2)
    await nginx.start()
    await says('fresh', 2)
    await watching(inventory(`${nginx.url}/broken/`)).fails('the server answers with status 502; look into the log of the server')
  })

  it('is followed over redirects on the same host only, from http to https too', async () => {
    list(1)
    const tls = { caFile: authority.certFile, verify: true }
    await watching(inventory(`${nginx.url}/old/`)).says('fresh', 1)
    await watching(inventory(`${nginx.tlsUrl}/down/`, { tls })).fails('the server redirects from https to an address without TLS')
    await watching(inventory(`${nginx.url}/tls/`, { tls })).says('fresh', 1)
    await watching(inventory(`${nginx.url}/away/`)).fails('the server redirects to http://inventory.example')
  })

  it('is read over TLS', async () => {
    list(1)
    await watching(inventory(`${nginx.tlsUrl}/web.json`, { tls: { caFile: authority.certFile, verify: true } })).says('fresh', 1)
    await watching(inventory(`${nginx.tlsUrl}/web.json`)).fails('signed by nobody')
  })

  it('is read with a password', async () => {
    list(1)
    const passwordFile = join(await scratchDirectory(), 'password')
    await writeFile(join(nginx.path('..'), 'passwords'), 'pointsman:{PLAIN}right\n')
    await writeFile(passwordFile, 'wrong\n')
    const auth = { kind: 'basic', username: 'pointsman', passwordFile } as const
    const { says, fails } = watching(inventory(`${nginx.url}/private/web.json`, { auth }))
    await fails('the server answers with status 401')
    await writeFile(passwordFile, 'right\n')
    await says('fresh', 1)
  })

  it('is asked for no faster than the server allows', async () => {
    list(1)
    proxy.requests.length = 0
    const limited = watching(inventory(`${proxy.url}/limited/web.json`))
    await limited.says('fresh', 1)
    await limited.fails('the server answers with status 429')
    await limited.says('fresh', 1)
    limited.listener.stop()
    const [, refused, next] = proxy.requests
    expect(refused?.reply?.status).toBe(429)
    expect((next?.at ?? 0) - (refused?.at ?? 0)).toBeGreaterThanOrEqual(990)
    proxy.requests.length = 0
    const cached = watching(inventory(`${proxy.url}/cached/web.json`))
    await cached.listener.until(() => proxy.requests.length === 2, 'a second request')
    const [first, second] = proxy.requests
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(990)
  })
})
