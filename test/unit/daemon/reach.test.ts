import { symlink, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { hostAddress } from '../../../src/config/parameters/host-address.ts'
import { realReach } from '../../../src/daemon/reach.ts'
import { freePort, temporaryDirectory } from './rig.ts'

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/p.yaml`
}

describe('a web server', () => {
  test('gives a document', async () => {
    const url = await serve((request, response) => response.end(`agent: ${request.headers['user-agent']}`))
    const answer = await realReach().fetch(url)
    expect(answer.ok && Buffer.from(answer.bytes).toString()).toBe('agent: pointsman')
  })

  test.each<[string, RequestListener, string, ('for now' | 'always')?]>([
    ['has none', (_, response) => response.writeHead(404).end(), 'the web server answers with status 404'],
    ['is ill', (_, response) => response.writeHead(503).end(), 'the web server answers with status 503', 'for now'],
    ['is asked too often', (_, response) => response.writeHead(429).end(), 'the web server answers with status 429', 'for now'],
    [
      'sends elsewhere',
      (_, response) => response.writeHead(302, { location: 'http://x/' }).end(),
      'the web server redirects (status 302)',
    ],
    ['hangs', () => {}, 'there is no whole answer within 300 ms', 'for now'],
    [
      'hangs in the middle',
      (_, response) => void response.writeHead(200).write('a'),
      'there is no whole answer within 300 ms',
      'for now',
    ],
    [
      'breaks off',
      (_, response) => void response.writeHead(200, { 'content-length': '9' }).write('a', () => response.destroy()),
      'the web server cannot be reached (UND_ERR_SOCKET)',
      'for now',
    ],
    [
      'sends without end',
      (_, response) => {
        const more = () => response.write(Buffer.alloc(1 << 20, 'a'), more)
        more()
      },
      'the document has more than 4 MiB',
    ],
  ])('that %s is no more than a sentence', async (_, listener, problem, lasts = 'always') => {
    const url = await serve(listener)
    const timeout = problem.includes('300') ? 300 : 20_000
    expect(await realReach({ timeout }).fetch(url)).toEqual({
      ok: false,
      problem,
      remedy: expect.any(String),
      ...(lasts === 'for now' && { transient: true }),
    })
  })

  test('that is not there is no more than a sentence', async () => {
    expect(await realReach().fetch(`http://127.0.0.1:${await freePort()}/`)).toMatchObject({
      problem: 'the web server cannot be reached (ECONNREFUSED)',
      transient: true,
    })
  })
})

describe('files', () => {
  test('and directories are read, or told to be missing', async () => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory, 'a'), 'text')
    const reach = realReach()
    expect(await reach.read(join(directory, 'a'))).toEqual({ ok: true, bytes: Buffer.from('text') })
    expect(await reach.read(join(directory, 'b'))).toMatchObject({ ok: false, problem: 'there is no such file' })
    expect(await reach.list(directory)).toEqual({ ok: true, names: ['a'] })
    expect(await reach.list(join(directory, 'b'))).toMatchObject({ problem: 'there is no such directory', isNone: true })
    expect(await reach.list(join(directory, 'a'))).toMatchObject({
      problem: 'the directory cannot be read (ENOTDIR)',
      isNone: true,
    })
    await symlink('loop', join(directory, 'loop'))
    expect(await reach.list(join(directory, 'loop'))).toMatchObject({
      problem: 'the directory cannot be read (ELOOP)',
      isNone: false,
    })
  })
})

test('the interfaces are those of this host', () => {
  const [name, addresses] =
    Object.entries(networkInterfaces()).find(([, each]) => each?.some(({ family }) => family === 'IPv4')) ?? []
  const first = addresses?.find(({ family }) => family === 'IPv4')?.address
  if (name === undefined || first === undefined) throw new Error('this host has no IPv4 address')
  expect(hostAddress(name, realReach().interfaces())).toBe(first)
})
