import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { type Fault, startFaultProxy } from '../peers/fault-proxy.ts'
import { listReply, type Reply, startHttpServer } from '../peers/http-server.ts'
import { loopbackAddress } from '../peers/place.ts'
import { groups, inventory, watching } from './http-watching.ts'
import { pause } from './scratch.ts'

describe('an answer that is none', () => {
  const json = { 'content-type': 'application/json' }
  const packed = { ...json, 'content-encoding': 'gzip' }
  const page = '<html><form>Log in</form></html>'

  it.each<[string, Reply, string]>([
    [
      'a login page',
      { headers: { 'content-type': 'text/html; charset=utf-8' }, body: page },
      'content type "text/html; charset=utf-8", as a login page has',
    ],
    [
      'a login page that says it is JSON',
      { headers: json, body: page },
      'the answer is not JSON in UTF-8; it is "<html><form>Log in</form></html>"',
    ],
    ['without a content type', { body: '[]' }, 'the answer has no content type'],
    ['in another charset', { headers: { 'content-type': 'application/json; charset=latin1' }, body: '[]' }, 'charset=latin1'],
    ['empty', { headers: json, body: '' }, 'the answer is empty'],
    ['half a list', { headers: json, body: '[{"targets": ["10.1.0.1:8080"' }, 'the answer is not JSON'],
    [
      'too large by its own word',
      { headers: { ...json, 'content-length': '2000000' }, body: '[]' },
      'the list has more than 1048576 bytes;',
    ],
    [
      'too large',
      (_, response) => void response.writeHead(200, json).end(Buffer.alloc(1_200_000, ' ')),
      'the list has more than 1048576 bytes;',
    ],
    [
      'too large when unpacked',
      { headers: packed, body: gzipSync(Buffer.alloc(100_000_000, ' ')) },
      'more than 1048576 bytes when it is unpacked',
    ],
    ['cut gzip', { headers: packed, body: gzipSync('[]').subarray(0, 12) }, 'the body is not whole gzip'],
    ['an error of the server', { status: 500, headers: json, body: '[]' }, 'the server answers with status 500'],
    ['no content', { status: 204 }, 'the server answers with status 204'],
    ['part of a list', { status: 206, headers: json, body: '[]' }, 'the server answers with status 206'],
    ['late', () => {}, 'there is no whole answer within 500 ms'],
    ['dripping', (_, response) => drip(response), 'there is no whole answer within 500 ms'],
    [
      'a redirect to another host',
      { status: 302, headers: { location: 'http://inventory.example/' } },
      'the server redirects to http://inventory.example',
    ],
    ['a redirect in circles', { status: 302, headers: { location: '/' } }, 'the server redirects more than 5 times'],
    ['of which nothing can be used', listReply(['web-1:80', 'web-2:80']), '[0]: "web-1" is a name'],
  ])('is %s: the last good list stays, and the next good one counts at once', async (_, reply, message) => {
    await using server = await startHttpServer()
    server.reply(listReply(groups(1, 2)))
    const { says, fails } = watching(inventory(server.url, { timeout: 500 }))
    await says('fresh', 1, 2)
    server.reply(reply)
    expect((await fails(message)).kind).toBe('stale')
    await says('stale', 1, 2)
    server.reply(listReply(groups(2, 3)))
    const since = Date.now()
    await says('fresh', 2, 3)
    expect(Date.now() - since).toBeLessThan(1_000)
  })

  function drip(response: Parameters<Extract<Reply, (...all: never[]) => void>>[1]): void {
    response.writeHead(200, json)
    const timer = setInterval(() => response.write(' '), 20)
    response.on('close', () => clearInterval(timer))
  }

  it('is found before anything is known: pending, with the reason', async () => {
    const { fails, listener } = watching(inventory(`http://${loopbackAddress()}:8080/`))
    await fails('the connection is refused')
    expect(listener.heard.map(({ kind }) => kind)).toEqual(['pending', 'pending'])
    await pause(500)
    expect(listener.heard, 'said once').toHaveLength(2)
  })
})

describe('behind a network that fails', () => {
  it.each<[string, Fault, string]>([
    ['refuses', { kind: 'refuse' }, 'the connection is refused'],
    ['resets', { kind: 'reset' }, 'the server closed the connection in the middle'],
    ['cuts the head', { kind: 'cut', afterBytes: 30 }, 'the server closed the connection in the middle'],
    ['cuts the head and hangs', { kind: 'cut', afterBytes: 30, ending: 'hang' }, 'there is no whole answer within 500 ms'],
    ['cuts the body', { kind: 'half-body' }, 'the answer broke off in the middle'],
    ['cuts the body and hangs', { kind: 'half-body', ending: 'hang' }, 'there is no whole answer within 500 ms'],
    ['swallows everything', { kind: 'black-hole' }, 'there is no whole answer within 500 ms'],
    ['is too slow', { kind: 'delay', ms: 700 }, 'there is no whole answer within 500 ms'],
    ['sends garbage', { kind: 'garbage' }, 'what answers there does not speak HTTP'],
    [
      'answers by a page',
      { kind: 'answer', status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' },
      'content type "text/html"',
    ],
    ['answers 500', { kind: 'answer', status: 500 }, 'status 500'],
    ['answers 429', { kind: 'answer', status: 429 }, 'status 429'],
  ])('which %s, the last good list stays, and is exact again at once', async (_, fault, message) => {
    await using server = await startHttpServer()
    await using proxy = await startFaultProxy({ to: server })
    server.reply(listReply(groups(1, 2), { etag: '"one"' }))
    const { says, fails, listener } = watching(inventory(proxy.url, { timeout: 500 }))
    const good = await says('fresh', 1, 2)
    await proxy.set(fault)
    const bad = await fails(message)
    expect(bad.kind === 'stale' && good.kind === 'fresh' && bad.set.backends === good.set.backends).toBe(true)
    server.reply(listReply(groups(1, 3)))
    await proxy.set({ kind: 'pass' })
    const since = Date.now()
    await says('fresh', 1, 3)
    expect(Date.now() - since).toBeLessThan(1_000)
    expect(listener.heard.every((event) => event.kind === 'pending' || event.set.backends.size === 2)).toBe(true)
  })

  it('which is only slow, is followed all the same', async () => {
    await using server = await startHttpServer()
    await using proxy = await startFaultProxy({ to: server })
    server.reply(listReply(groups(1)))
    await proxy.set({ kind: 'delay', ms: 200 })
    await watching(inventory(proxy.url)).says('fresh', 1)
  })
})
