import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { beforeEach, expect, onTestFinished } from 'vitest'
import type { ProbeTarget } from '../../../src/health/target.ts'
import { type IpAddress, parseAddress } from '../../../src/model/address.ts'

export function address(text: string): IpAddress {
  const parsed = parseAddress(text)
  if (parsed === undefined) throw new Error(`not an address: ${text}`)
  return parsed
}

/** Connections as their servers see them: one that they keep is not ours. */
const accepted = new Set<Socket>()

/** A server that does with each connection as it is told, until the test is over. */
export async function serving(behave: (socket: Socket) => unknown, host = '127.0.0.1'): Promise<ProbeTarget> {
  return listening(
    createServer({ allowHalfOpen: true }, (socket) => void behave(socket)),
    host,
  )
}

/** Any server, until the test is over. */
export async function listening(server: Server, host = '127.0.0.1'): Promise<ProbeTarget> {
  server.prependListener('connection', (socket: Socket) => {
    accepted.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => accepted.delete(socket))
  })
  server.listen(0, host)
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of accepted) socket.destroy()
    server.close()
  })
  return { address: address(host), port: (server.address() as AddressInfo).port }
}

/** A port where nobody listens. */
export async function deserted(host = '127.0.0.1'): Promise<ProbeTarget> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return { address: address(host), port }
}

/** What backends do that accept connections and serve nobody. */
export const BAD_MANNERS: Readonly<Record<string, (socket: Socket) => void>> = {
  'accepts and never answers': (socket) => void socket.resume(),
  'answers one byte a second': (socket) => {
    socket.resume()
    const timer = setInterval(() => socket.write('x'), 1_000)
    socket.write('x')
    socket.once('close', () => clearInterval(timer))
  },
  'never ends its answer': (socket) => {
    socket.resume()
    const more = () => {
      while (!socket.destroyed && socket.write('x'.repeat(16_384)));
    }
    socket.on('drain', more)
    more()
  },
  'closes at once': (socket) => void socket.destroySoon(),
  'resets at once': (socket) => void socket.resetAndDestroy(),
}

const HELD = /^(TCPSocketWrap|UDPWrap|ProcessWrap|PipeWrap)$/

function held(): number {
  return process.getActiveResourcesInfo().filter((name) => HELD.test(name)).length - accepted.size
}

/** What is open when a test begins: pipes of the test runner, processes of the peers. */
let own = 0
beforeEach(() => {
  own = held()
})

/** Waits until no probe holds a connection any more, nor another socket or process. */
export async function nothingIsLeft(): Promise<void> {
  await expect.poll(held, { timeout: 3_000 }).toBeLessThanOrEqual(own)
}
