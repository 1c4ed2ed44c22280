import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { httpProbe } from '../../../src/health/http.ts'
import { overPlainConnection } from '../../../src/health/plain-connection.ts'
import type { Probe } from '../../../src/health/probe.ts'
import type { ProbeTarget } from '../../../src/health/target.ts'
import { tcpProbe } from '../../../src/health/tcp.ts'
import { type StreamListener, StreamSocket } from '../../../src/kernel/stream-socket.ts'
import type { HttpProbeSpec } from '../../../src/model/probe-spec.ts'
import { serving } from './bad-servers.ts'
import { endless } from './endless-server.ts'
import { resetting } from './resetting-server.ts'

const PAGE: HttpProbeSpec = {
  kind: 'http',
  version: '1.1',
  method: 'GET',
  path: '/',
  headers: {},
  status: [{ from: 200, to: 200 }],
  redirects: 'accept',
}

const SILENT: StreamListener = {
  connected: () => {},
  received: () => {},
  ended: () => {},
  failed: (error) => expect.unreachable(error.message),
}

/** A connection until the test is over. */
function open(target: ProbeTarget, listener: Partial<StreamListener>): StreamSocket {
  const socket = new StreamSocket(target, { ...SILENT, ...listener })
  onTestFinished(() => socket[Symbol.dispose]())
  return socket
}

describe('a socket of our own', () => {
  it('sends all of what the kernel does not take at once, in its order', async () => {
    const sent = Buffer.alloc(32 * 1024 * 1024)
    for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at)
    const accepted = Promise.withResolvers<Socket>()
    const target = await serving(accepted.resolve)
    const socket: StreamSocket = open(target, { connected: () => socket.send(sent) })
    const peer = await accepted.promise
    const came: Buffer[] = []
    let length = 0
    peer.on('data', (chunk) => {
      came.push(chunk)
      length += chunk.length
    })
    await expect.poll(() => length, { timeout: 20_000 }).toBe(sent.length)
    expect(Buffer.concat(came).equals(sent)).toBe(true)
  })

  it('that was reset before anybody looked stood before: that is no refusal', async () => {
    const { target, waitForReset } = await resetting()
    const ask = (probe: Probe) => {
      const asked = probe(AbortSignal.timeout(5_000))
      // The kernel ends the handshake by itself when nothing is sent for a while, and the server has its turn before ours.
      waitForReset()
      return asked
    }
    expect(await ask(tcpProbe(target))).toEqual({ outcome: 'passed' })
    expect(await ask(httpProbe(target, PAGE))).toEqual({
      outcome: 'failed',
      failure: 'closed',
      message: `127.0.0.1:${target.port} resets the connection`,
    })
  })

  it('does not take what happened to the one in whose place it is', async () => {
    const target = await serving((peer) => peer.resume())
    const told: string[] = []
    const connected = Promise.withResolvers<void>()
    let isSameTurn = false
    const opened: StreamSocket[] = []
    // Both are connected when the first is told so; it closes the other, whose event is still to be told.
    const first = (name: string, other: number) => () => {
      told.push(name)
      if (isSameTurn) return
      isSameTurn = true
      queueMicrotask(() => {
        isSameTurn = false
      })
      opened[other]?.[Symbol.dispose]()
      open(target, {
        connected: () => {
          told.push(isSameTurn ? 'the next one, by an event of another' : 'the next one')
          connected.resolve()
        },
      })
    }
    opened.push(open(target, { connected: first('one', 1) }), open(target, { connected: first('one', 0) }))
    await connected.promise
    expect(told).toEqual(['one', 'the next one'])
  })

  it('is told what happens on it, also when that happens to more than 256 in one turn', async () => {
    const target = await serving((peer) => peer.resume())
    let connected = 0
    for (let number = 0; number < 400; number++)
      open(target, {
        connected: () => {
          connected++
        },
      })
    await expect.poll(() => connected).toBe(400)
  })

  it('that always has more to read lets others have their turn', async () => {
    const target = await endless('x')
    let [reads, inOneTurn, longestTurn] = [0, 0, 0]
    const ended = () => {
      inOneTurn = 0
    }
    const socket: StreamSocket = open(target, {
      connected: () => socket.send(Buffer.from('?')),
      received: () => {
        if (inOneTurn === 0) queueMicrotask(ended)
        reads++
        inOneTurn++
        longestTurn = Math.max(longestTurn, inOneTurn)
      },
    })
    await expect.poll(() => reads, { timeout: 10_000 }).toBeGreaterThan(1_000)
    expect(longestTurn).toBeLessThanOrEqual(4)
    socket[Symbol.dispose]()
    const then = reads
    await sleep(20)
    expect(reads).toBe(then)
  })

  it('reads to the end what came before the peer ended', async () => {
    const target = await serving((peer) => peer.end(Buffer.alloc(3_000_000, 'x')))
    let length = 0
    const ended = Promise.withResolvers<void>()
    open(target, {
      received: ({ length: more }) => {
        length += more
      },
      ended: ended.resolve,
    })
    await ended.promise
    expect(length).toBe(3_000_000)
  })
})

it('the deadline of a probe holds where the backend never ends its answer, and so do other timers', async () => {
  const target = await endless('x')
  let ticks = 0
  const timer = setInterval(() => ticks++, 10)
  onTestFinished(() => clearInterval(timer))
  const signal = AbortSignal.timeout(500)
  const result = overPlainConnection(target, signal, (connection) => {
    connection.listener = { hear: () => {}, ended: () => {} }
    connection.send(Buffer.from('?'))
  })
  await once(signal, 'abort')
  expect(await result).toMatchObject({ outcome: 'failed', failure: 'no-answer' })
  expect(ticks).toBeGreaterThan(5)
})
