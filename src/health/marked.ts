import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import { openMarkedSocket, SystemCallError } from '../kernel/for-probes.ts'
import { familyOf, type IpAddress } from '../model/address.ts'
import { type ProbeTarget, targetName } from './target.ts'

/** A socket for a target that is still to be connected, and the address that it is still to be bound to; or a sentence. */
export type TcpSocket = { readonly socket: Socket; readonly localAddress?: IpAddress } | { readonly problem: string }

/** A socket to connect to a target with, marked and bound where the target asks for a mark. */
export function tcpSocketFor(target: ProbeTarget): TcpSocket {
  const marked = markedDescriptor(target, 'tcp')
  if (marked === undefined) {
    const { sourceAddress: localAddress } = target
    return { socket: new Socket(), ...(localAddress !== undefined && { localAddress }) }
  }
  if ('problem' in marked) return marked
  try {
    return { socket: new Socket({ fd: marked.fd }) }
  } catch (error) {
    closeSync(marked.fd)
    throw error
  }
}

/** A descriptor of a marked and bound socket, for the caller to close; undefined where no mark is asked for. */
export function markedDescriptor(
  target: ProbeTarget,
  transport: 'tcp' | 'udp',
): { readonly fd: number } | { readonly problem: string } | undefined {
  const { address, mark, sourceAddress } = target
  if (mark === undefined) return undefined
  const family = familyOf(address)
  try {
    return { fd: openMarkedSocket({ transport, family, mark, ...(sourceAddress !== undefined && { sourceAddress }) }) }
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error
    return { problem: problemOf(error, target) }
  }
}

/** Why a socket could not be marked or bound. */
export function problemOf({ errno, call }: SystemCallError, target: ProbeTarget): string {
  const name = targetName(target)
  if (errno === 'EPERM')
    return `no socket with the mark ${target.mark} could be made for ${name}: give the daemon the capability CAP_NET_ADMIN`
  if (call === 'bind')
    return `${name} could not be asked from ${target.sourceAddress} (${errno}): write an address that an interface of this host has`
  return `no connection to ${name} could be tried (${errno})`
}
