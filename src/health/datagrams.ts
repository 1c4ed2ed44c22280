import { createSocket, type Socket } from 'node:dgram'
import { familyOf } from '../model/address.ts'
import type { ProbeResult, ServiceFailure } from '../model/probe-result.ts'
import { connectError } from './connection.ts'
import { markedDescriptor } from './marked.ts'
import type { EndSignal } from './probe.ts'
import { type ProbeTarget, targetName } from './target.ts'

/** A UDP socket of which the kernel knows the peer, for as long as one probe lasts. */
export interface Datagrams {
  send(datagram: Uint8Array): void
  settle(result: ProbeResult): void
  /** The same, with a sentence that begins with the target's name: `does not answer`. */
  fail(failure: ServiceFailure, what: string): void
}

/** What a kind of probe does with datagrams. */
export interface DatagramTalk {
  /** The socket is ready. */
  begin(datagrams: Datagrams): void
  onDatagram(datagram: Buffer, datagrams: Datagrams): void
  /** The deadline has come. */
  onSilence(datagrams: Datagrams): void
}

/**
 * Talks in datagrams on a connected socket: the kernel passes on datagrams of the target alone, and its ICMP messages, so that a
 * port where nobody listens refuses.
 */
export function overDatagrams(target: ProbeTarget, signal: EndSignal, talk: DatagramTalk): Promise<ProbeResult> {
  const { promise, resolve } = Promise.withResolvers<ProbeResult>()
  if (signal.aborted) return Promise.resolve(notAsked(target))
  const marked = markedDescriptor(target, 'udp')
  if (marked !== undefined && 'problem' in marked) return Promise.resolve({ outcome: 'unknown', message: marked.problem })
  const socket = createSocket(familyOf(target.address) === 'ipv6' ? 'udp6' : 'udp4')
  const datagrams: Datagrams = {
    send: (datagram) => socket.send(datagram, (error) => error !== null && lost(error)),
    settle: resolve,
    fail: (failure, what) => resolve({ outcome: 'failed', failure, message: `${targetName(target)} ${what}` }),
  }
  let begun = false
  const lost = (error: NodeJS.ErrnoException) => resolve(connectError(target, error, begun))
  const abort = () => (begun ? talk.onSilence(datagrams) : resolve(notAsked(target)))
  signal.addEventListener('abort', abort, { once: true })
  // The listener for errors stays: one that comes after the end must not meet nobody.
  socket.on('error', lost)
  socket.on('message', (datagram) => talk.onDatagram(datagram, datagrams))
  socket.once('connect', () => {
    begun = true
    talk.begin(datagrams)
  })
  connect(socket, target, marked?.fd)
  return promise.finally(() => {
    signal.removeEventListener('abort', abort)
    socket.close()
  })
}

function notAsked(target: ProbeTarget): ProbeResult {
  return { outcome: 'unknown', message: `there was no time to ask ${targetName(target)}` }
}

function connect(socket: Socket, { address, port, sourceAddress }: ProbeTarget, fd: number | undefined): void {
  if (fd !== undefined) socket.bind({ fd, exclusive: true }, () => socket.connect(port, address))
  else if (sourceAddress === undefined) socket.connect(port, address)
  else socket.bind({ address: sourceAddress, exclusive: true }, () => socket.connect(port, address))
}
