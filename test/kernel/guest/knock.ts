/**
 * Knocks at a range of ports of one address, over TCP and over UDP, each time from a new port and again and again, until a server has answered behind every
 * one of them. Arguments: address, first port, last port. Prints `knocking` after the first round, and at the end how many rounds there were.
 */
import { writeSync } from 'node:fs'
import {
  closeSocket,
  connectTo,
  type Protocol,
  receiveText,
  type SocketAddress,
  sendText,
  socketAddress,
} from '../../lab/traffic/sockets.ts'

const [address = '', first = '', last = ''] = process.argv.slice(2)
/** Milliseconds for an answer. */
const ROUND = 400
const ports = Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => Number(first) + index)
const silent = { tcp: new Set(ports), udp: new Set(ports) }
const addresses = new Map<number, SocketAddress>(ports.map((port) => [port, socketAddress(address, port)]))

/** A refusal is as good as silence: nobody is there yet. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

function open(protocol: Protocol): Map<number, number> {
  const sockets = new Map<number, number>()
  for (const port of silent[protocol as 'tcp' | 'udp']) {
    const fd = attempt(() => connectTo(protocol, addresses.get(port) as SocketAddress))
    if (fd !== undefined) sockets.set(port, fd)
  }
  return sockets
}

function take(protocol: 'tcp' | 'udp', sockets: ReadonlyMap<number, number>): void {
  for (const [port, fd] of sockets) {
    if ((attempt(() => receiveText(fd)) ?? '') !== '') silent[protocol].delete(port)
    closeSocket(fd)
  }
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
let rounds = 0
while (silent.tcp.size + silent.udp.size > 0) {
  const udp = open('udp')
  for (const fd of udp.values()) attempt(() => sendText(fd, 'knock\n'))
  const tcp = open('tcp')
  await pause(ROUND)
  for (const fd of tcp.values()) attempt(() => sendText(fd, 'knock\n'))
  await pause(ROUND)
  take('udp', udp)
  take('tcp', tcp)
  if (rounds++ === 0) writeSync(1, 'knocking\n')
}
writeSync(1, `${rounds}\n`)
