import { X509Certificate } from 'node:crypto'
import { request } from 'node:https'
import { expect, it } from 'vitest'
import { makeAuthority } from '../../peers/certificates.ts'
import { httpCall } from '../../peers/http-call.ts'
import { listReply, startHttpServer } from '../../peers/http-server.ts'

it('answers by script, records what it was asked, and is back at the same place after it was closed', async () => {
  await using server = await startHttpServer()
  server.reply(listReply(['steady']))
  server.replyOnce({ status: 503, headers: { 'retry-after': '1' } })
  const first = await httpCall(`${server.url}/a`, { headers: { 'if-none-match': '"x"' } })
  expect(first).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
  expect(server.requests).toMatchObject([{ path: '/a', headers: { 'if-none-match': '"x"' }, connection: 1 }])
  await server.close()
  await expect(httpCall(server.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await server.listen()
  expect((await httpCall(server.url)).text).toBe('["steady"]')
})

it('speaks TLS with certificates made for the test, and lets in whom the authority knows', async () => {
  using authority = await makeAuthority()
  using stranger = await makeAuthority()
  const certificate = await authority.issue({ name: 'lists.example' })
  await using server = await startHttpServer({ tls: { certificate, clientCa: authority.cert } })
  server.reply({ body: 'hello' })
  const get = (client: { cert: string; key: string }, ca = authority.cert) =>
    new Promise<string>((resolve, reject) => {
      request(server.url, { ...client, ca, servername: 'lists.example', agent: false }, (answer) => {
        answer.setEncoding('utf8').on('data', resolve)
      })
        .on('error', reject)
        .end()
    })
  const client = await authority.issue({ name: 'pointsman' })
  expect(await get(client)).toBe('hello')
  expect(server.requests).toMatchObject([{ clientName: 'pointsman', connection: 1 }])
  await expect(get(await stranger.issue({ name: 'pointsman' }))).rejects.toThrow()
  await expect(get(client, stranger.cert)).rejects.toThrow(/certificate/)
})

it('makes a certificate that has run out', async () => {
  using authority = await makeAuthority()
  const { cert } = await authority.issue({ name: 'old.example', days: -1 })
  expect(new X509Certificate(cert).validToDate.getTime()).toBeLessThan(Date.now())
})
