/** Probes whose packets carry a firewall mark, on sockets that Node cannot make itself. Needs CAP_NET_ADMIN, as the daemon does. */

import { execFileSync, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { IpAddress } from '../../../src/model/address.ts'
import { probeOf } from './who-asks.ts'

const MARK = 0xf0000001
const LOOPBACK = '127.0.0.1' as IpAddress

let server: Server
let port: number
const open = new Set<Socket>()
/** Where connections come from. */
const peers: string[] = []
/** What the kernel says of the client's end of each connection. */
const seen: string[] = []

beforeAll(async () => {
  server = createServer((socket) => {
    open.add(socket)
    peers.push(`${socket.remoteAddress}`)
    socket.on('error', () => undefined).on('close', () => open.delete(socket))
    seen.push(execFileSync('ss', ['-tneH', 'sport', '=', `:${socket.remotePort}`], { encoding: 'utf8' }))
    socket.once('data', () => socket.end('pong'))
  })
  server.listen(0, '0.0.0.0')
  await once(server, 'listening')
  port = (server.address() as { port: number }).port
})
afterAll(() => {
  for (const socket of open) socket.destroy()
  server.close()
})

const descriptors = (): number => readdirSync('/proc/self/fd').length
const ask = { kind: 'tcp', send: 'ping', expect: { by: 'text', value: 'pong' } } as const

describe('a marked probe over TCP', () => {
  it('carries the mark, comes from the source address and hears the answer', async () => {
    const sourceAddress = '127.0.0.9' as IpAddress
    const probe = probeOf(ask, { address: LOOPBACK, port, mark: MARK, sourceAddress })
    expect(await probe(new AbortController().signal)).toEqual({ outcome: 'passed' })
    expect(peers.at(-1)).toBe('127.0.0.9')
    expect(seen.at(-1)).toContain('fwmark:0xf0000001')
  })

  it('leaves no descriptor open, whatever becomes of it', async () => {
    const before = descriptors()
    const targets = [
      { address: LOOPBACK, port },
      { address: LOOPBACK, port: 1 },
      { address: LOOPBACK, port, sourceAddress: '192.0.2.1' as IpAddress },
      { address: '::1' as IpAddress, port: 1, sourceAddress: '::1' as IpAddress },
    ]
    const outcomes: string[] = []
    for (const target of targets) {
      const results = await Promise.all(
        Array.from({ length: 20 }, () => probeOf(ask, { ...target, mark: MARK })(new AbortController().signal)),
      )
      outcomes.push(...new Set(results.map((result) => JSON.stringify(result))))
    }
    expect(outcomes.map((result) => JSON.parse(result))).toEqual([
      { outcome: 'passed' },
      { outcome: 'failed', failure: 'refused', message: '127.0.0.1:1 refuses connections' },
      {
        outcome: 'unknown',
        message: `127.0.0.1:${port} could not be asked from 192.0.2.1 (EADDRNOTAVAIL): write an address that an interface of this host has`,
      },
      { outcome: 'failed', failure: 'refused', message: '[::1]:1 refuses connections' },
    ])
    await expect.poll(descriptors).toBeLessThanOrEqual(before)
  })

  it('is freed while it connects', async () => {
    const before = descriptors()
    const abort = new AbortController()
    // Reserved for documentation (RFC 5737): nobody answers, or the route says at once that nobody can.
    const asked = probeOf(ask, { address: '192.0.2.1' as IpAddress, port: 9, mark: MARK, sourceAddress: LOOPBACK })(abort.signal)
    abort.abort()
    expect((await asked).outcome).not.toBe('passed')
    await expect.poll(descriptors).toBeLessThanOrEqual(before)
  })
})

describe('a marked probe over UDP', () => {
  it('comes from the source address, hears the answer and leaves no descriptor open', async () => {
    const echo = createSocket('udp4')
    let from = ''
    let kernel = ''
    echo.on('message', (datagram, { address, port: sender }) => {
      from = address
      kernel = execFileSync('ss', ['-uaneH', 'sport', '=', `:${sender}`], { encoding: 'utf8' })
      echo.send(datagram, sender, address)
    })
    echo.bind(0, LOOPBACK)
    await once(echo, 'listening')
    const before = descriptors()
    const target = { address: LOOPBACK, port: echo.address().port, mark: MARK, sourceAddress: '127.0.0.9' as IpAddress }
    const probe = probeOf({ kind: 'udp', send: 'ping', expect: { by: 'text', value: 'ping' } }, target)
    expect(await probe(new AbortController().signal)).toEqual({ outcome: 'passed' })
    expect({ from, kernel }).toEqual({ from: '127.0.0.9', kernel: expect.stringContaining('fwmark:0xf0000001') })
    await expect.poll(descriptors).toBeLessThanOrEqual(before)
    echo.close()
  })
})

it('tells nothing about the backend without the capability, and names it', () => {
  const script = `
    import { tcpProbe } from ${JSON.stringify(new URL('../../../src/health/tcp.ts', import.meta.url).href)}
    console.log(JSON.stringify(await tcpProbe({ address: '127.0.0.1', port: 1, mark: 7 })(new AbortController().signal)))`
  // Since Linux 5.17 CAP_NET_RAW is enough, too.
  const args = [
    '--bounding-set=-net_admin,-net_raw',
    '--inh-caps=-net_admin,-net_raw',
    process.execPath,
    '--input-type=module',
    '-e',
    script,
  ]
  const { stdout, stderr } = spawnSync('setpriv', args, { encoding: 'utf8', timeout: 30_000 })
  expect({ stderr, result: JSON.parse(stdout) }).toEqual({
    stderr: '',
    result: {
      outcome: 'unknown',
      message: 'no socket with the mark 7 could be made for 127.0.0.1:1: give the daemon the capability CAP_NET_ADMIN',
    },
  })
})
