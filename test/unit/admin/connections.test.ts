import { once } from 'node:events'
import { get } from 'node:http'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { serveHttp } from '../../../src/admin/http-server.ts'

/** More than there are places. */
const CROWD = 80

/** `/` answers at once, `/long` begins an answer and never ends it. */
async function serve(): Promise<number> {
  const server = await serveHttp(
    { host: '127.0.0.1', port: 0 },
    new Map([
      ['/', { methods: ['GET'], handle: (_, response) => void response.end('ok') }],
      ['/long', { methods: ['GET'], handle: (_, response) => void response.write('begins') }],
    ]),
  )
  onTestFinished(() => server[Symbol.asyncDispose]())
  return server.port
}

interface Caller {
  readonly socket: Socket
  readonly ended: () => boolean
}

async function call(port: number, words = ''): Promise<Caller> {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let isOver = false
  socket.on('error', () => {})
  socket.on('close', () => {
    isOver = true
  })
  await once(socket, 'connect')
  if (words === '') return { socket, ended: () => isOver }
  socket.write(words)
  await once(socket, 'data')
  return { socket, ended: () => isOver }
}

async function crowd(port: number, words = ''): Promise<void> {
  for (let at = 0; at < CROWD; at++) await call(port, words)
}

/** As a scraper that comes anew. */
function ask(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', agent: false }, (response) => resolve(text(response))).on('error', reject)
  })
}

const LONG = 'GET /long HTTP/1.1\r\nhost: x\r\n\r\n'

test('clients that hold every place and say nothing keep nobody out, and end nobody who is being answered', async () => {
  const port = await serve()
  const answered = await call(port, LONG)
  await crowd(port)
  expect(await ask(port)).toBe('ok')
  expect(answered.ended()).toBe(false)
})

test('nor do clients that have all places with answers that they never take', async () => {
  const port = await serve()
  const first = await call(port, LONG)
  await crowd(port, LONG)
  expect(await ask(port)).toBe('ok')
  await expect.poll(first.ended, { timeout: 30_000 }).toBe(true)
})

test('a connection that was used counts from then on', async () => {
  const port = await serve()
  const kept = await call(port)
  for (let at = 0; at < CROWD; at++) {
    await call(port)
    kept.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await once(kept.socket, 'data')
  }
  expect(kept.ended()).toBe(false)
})
