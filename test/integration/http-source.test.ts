import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { currentBuild } from '../../src/build.ts'
import { openSourceWith } from '../../src/sources/registry.ts'
import { listReply, startHttpServer } from '../peers/http-server.ts'
import { key, spec } from '../unit/pipeline/makers.ts'
import { groups, inventory, watching } from './http-watching.ts'
import { pause, scratchDirectory } from './scratch.ts'

describe('an http source', () => {
  it('asks as Prometheus does, and says who it is', async () => {
    await using server = await startHttpServer()
    server.reply(listReply(groups(1, 2)))
    const { listener, says } = watching(inventory(`${server.url}/web.json?dc=a`, { interval: 30_000 }))
    expect(listener.heard).toEqual([{ kind: 'pending' }])
    expect(await says('fresh', 1, 2)).toMatchObject({ set: { trust: 'fresh', origin: `http ${server.url}/web.json?dc=a` } })
    expect(server.requests).toMatchObject([
      {
        method: 'GET',
        path: '/web.json?dc=a',
        headers: {
          accept: 'application/json',
          'accept-encoding': 'gzip, deflate, br',
          'user-agent': `pointsman/${currentBuild().version}`,
          'x-prometheus-refresh-interval-seconds': '30',
        },
      },
    ])
  })

  it('follows changes; an empty list is an answer', async () => {
    await using server = await startHttpServer()
    server.reply(listReply({ version: 1, backends: [{ address: key(1), weight: 5, state: 'critical' }] }))
    const { says } = watching(inventory(server.url))
    expect(await says('fresh', 1)).toMatchObject({ kind: 'fresh' })
    server.reply(listReply(groups(2, 3)))
    await says('fresh', 2, 3)
    server.reply(listReply([]))
    await says('fresh')
  })

  it('confirms by 304 with the same map and a later time', async () => {
    await using server = await startHttpServer()
    const modified = 'Thu, 01 Jan 2026 00:00:00 GMT'
    server.reply(listReply(groups(1), { etag: '"one"', 'last-modified': modified }))
    const { listener, says } = watching(inventory(server.url))
    const first = await says('fresh', 1)
    server.reply((request, response) => {
      const known = request.headers['if-none-match'] === '"one"' && request.headers['if-modified-since'] === modified
      response.writeHead(known ? 304 : 500).end()
    })
    const at = first.kind === 'fresh' ? first.set.at : 0
    const later = await listener.until((last) => last.kind === 'fresh' && last.set.at > at, 'a confirmation')
    expect(later.kind === 'fresh' && first.kind === 'fresh' && later.set.backends === first.set.backends).toBe(true)
    expect(listener.heard.every(({ kind }, index) => index === 0 || kind === 'fresh')).toBe(true)
  })

  it('does not take 304 for an answer to a question that was not asked', async () => {
    await using server = await startHttpServer()
    server.reply({ status: 304 })
    const { fails } = watching(inventory(server.url))
    expect(await fails('the server answers with status 304')).toMatchObject({ kind: 'pending' })
  })

  it('nor to a request without validators, when it had given none with its list', async () => {
    await using server = await startHttpServer()
    server.reply(listReply(groups(1)))
    const { says, fails } = watching(inventory(server.url))
    await says('fresh', 1)
    server.reply({ status: 304 })
    expect(await fails('the server answers with status 304')).toMatchObject({ kind: 'stale' })
  })

  it('is asked once for all services that want the same list, each of which judges it for itself', async () => {
    await using server = await startHttpServer()
    server.reply(listReply([{ targets: [key(1), '[2001:db8::1]:8080'] }]))
    const open = openSourceWith()
    const source = inventory(server.url, { interval: 30_000 })
    const marked = spec({ name: 'marked', identity: { kind: 'fwmark', fwmark: 7, family: 'ipv6' } })
    const one = watching(source, { open })
    const other = watching(source, { open, service: marked })
    await one.says('fresh', 1)
    const six = await other.listener.until(({ kind }) => kind === 'fresh', 'the list')
    expect(six.kind === 'fresh' && [...six.set.backends.keys()]).toEqual(['[2001:db8::1]:8080'])
    const late = watching(source, { open })
    expect(late.listener.last).toMatchObject({ kind: 'fresh', set: { quarantined: 1 } })
    expect(server.requests).toHaveLength(1)
    for (const { listener } of [one, other, late]) listener.stop()
    server.requests.length = 0
    await watching(source, { open }).says('fresh', 1)
    expect(server.requests).toHaveLength(1)
  })

  it('stops asking when nobody listens any more, also in the middle of an answer', async () => {
    await using server = await startHttpServer()
    const { promise, resolve } = Promise.withResolvers<void>()
    server.reply((_, response) => void response.on('close', resolve).writeHead(200).write('['))
    const { listener } = watching(inventory(server.url))
    while (server.requests.length === 0) await pause(10)
    listener.stop()
    await promise
    await pause(300)
    expect(server.requests).toHaveLength(1)
  })

  it('parses a large list beside the main thread', async () => {
    await using server = await startHttpServer()
    const many = Array.from({ length: 5_000 }, (_, number) => number + 1)
    server.reply(listReply(groups(...many)))
    const { listener } = watching(inventory(server.url, { interval: 30_000 }))
    const event = await listener.until(({ kind }) => kind === 'fresh', 'the list', 20_000)
    expect(event.kind === 'fresh' && event.set.backends.size).toBe(5_000)
  })

  it('waits as long as the server asks', async () => {
    await using server = await startHttpServer()
    server.replyOnce({ status: 429, headers: { 'retry-after': '1' } }, listReply(groups(1), { 'cache-control': 'max-age=1' }))
    server.reply(listReply(groups(2)))
    const { says, fails } = watching(inventory(server.url))
    await fails('status 429')
    await says('fresh', 2)
    const [first, second, third] = server.requests.map(({ at }) => at)
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(990)
    expect((third ?? 0) - (second ?? 0)).toBeGreaterThanOrEqual(990)
  })

  it('is found by name', async () => {
    const server = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(groups(1)))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    await watching(inventory(`http://localhost:${(server.address() as AddressInfo).port}/`)).says('fresh', 1)
  })

  it('is read from a unix socket', async () => {
    const socket = join(await scratchDirectory(), 'lists.sock')
    const server = createServer((request, response) => {
      const right = request.url === '/web.json?a=1' && request.headers.host === 'localhost'
      response.writeHead(right ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(groups(1)))
    })
    const url = `http+unix://${encodeURIComponent(socket)}/web.json?a=1`
    const { says, fails } = watching(inventory(url))
    await fails('there is no such socket')
    await new Promise<void>((resolve) => server.listen(socket, resolve))
    onTestFinished(() => void server.close())
    await says('fresh', 1)
  })

  it('says what is odd and counts it, once', async () => {
    await using server = await startHttpServer()
    server.reply(listReply([{ targets: [key(1), 'web-1.example:80'] }]))
    const odd: string[] = []
    const open = openSourceWith({
      onWarnings: (source, { name }, warnings) => odd.push(`${source} ${name} ${warnings.map(({ path }) => path)}`),
    })
    const { says } = watching(inventory(server.url), { open })
    expect(await says('fresh', 1)).toMatchObject({ set: { quarantined: 1 } })
    await pause(400)
    expect(odd).toEqual([`http ${server.url} web [0].targets[1]`])
  })
})
