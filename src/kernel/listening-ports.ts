import type { Port } from '../model/address.ts'
import { AF_INET, AF_INET6, LITTLE_ENDIAN } from './libc.ts'
import { MESSAGE_HEADER, NLM_F_DUMP, NLM_F_REQUEST } from './netlink/constants.ts'
import { exchange, LARGEST_DATAGRAM } from './netlink/exchange.ts'
import type { MessageCursor } from './netlink/message-cursor.ts'
import { openNetlinkSocket } from './netlink/netlink-socket.ts'
import type { NetlinkTransport } from './netlink/transport.ts'
import { readSysctl } from './sysctl.ts'

/** Numbers of `linux/netlink.h`, `linux/sock_diag.h`, `netinet/in.h` and `net/tcp_states.h`. */
const NETLINK_SOCK_DIAG = 4
const SOCK_DIAG_BY_FAMILY = 20
const IPPROTO_TCP = 6
const TCP_LISTEN = 10
/** Bytes of `struct inet_diag_req_v2` and of `struct inet_diag_msg` up to the end of its source address (`linux/inet_diag.h`). */
const REQUEST = 56
const UP_TO_SOURCE = 24
const SEQUENCE = 1
const LAST_PORT = 65_535

/**
 * TCP ports of this network namespace that others reach listeners at, and those that the host keeps for them (net.ipv4.ip_local_reserved_ports), each once.
 * A UDP socket does not tell whether it listens, so it is not among them. Empty where the kernel does not say.
 */
export function listeningPorts(open = () => openNetlinkSocket(NETLINK_SOCK_DIAG)): Port[] {
  return [...new Set([...listeners(open), ...portsIn(readSysctl('net.ipv4.ip_local_reserved_ports') ?? '')])]
}

/** Of a list as the kernel prints it: `8080,9148-9150`. */
export function portsIn(list: string): Port[] {
  return list.split(',').flatMap((range) => {
    const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? []
    if (from === undefined) return []
    const [first, last] = [Number(from), Math.min(Number(to), LAST_PORT)]
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index)
  })
}

/** False once the kernel has said that it does not tell: each time it is asked it looks for a module, which takes a while. */
let isTold = true

/** The kernel picks them out itself: thousands of connections cost nothing. */
function listeners(open: () => NetlinkTransport): Port[] {
  const ports: Port[] = []
  if (!isTold) return ports
  try {
    using transport = open()
    const buffer = Buffer.allocUnsafe(LARGEST_DATAGRAM)
    for (const family of [AF_INET, AF_INET6]) {
      const refusal = exchange(transport, listenersOf(family), buffer, (message) => {
        const port = message.type === SOCK_DIAG_BY_FAMILY ? portOf(message) : undefined
        if (port !== undefined) ports.push(port)
      })
      if (refusal !== undefined) isTold = false
    }
  } catch {
    // Without this part of the kernel nothing is known, and nothing is lost but some care.
  }
  return ports
}

function listenersOf(family: number): Uint8Array {
  const request = new Uint8Array(MESSAGE_HEADER + REQUEST)
  const view = new DataView(request.buffer)
  view.setUint32(0, request.length, LITTLE_ENDIAN)
  view.setUint16(4, SOCK_DIAG_BY_FAMILY, LITTLE_ENDIAN)
  view.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, LITTLE_ENDIAN)
  view.setUint32(8, SEQUENCE, LITTLE_ENDIAN)
  view.setUint8(MESSAGE_HEADER, family)
  view.setUint8(MESSAGE_HEADER + 1, IPPROTO_TCP)
  view.setUint32(MESSAGE_HEADER + 4, 1 << TCP_LISTEN, LITTLE_ENDIAN)
  return request
}

/** Undefined for listeners that only this host reaches. */
function portOf({ bytes, body, end }: MessageCursor): Port | undefined {
  if (end - body < UP_TO_SOURCE) return undefined
  const source = bytes.subarray(body + 8, body + UP_TO_SOURCE)
  const isLoopback =
    bytes[body] === AF_INET ? source[0] === 127 : source.every((byte, index) => byte === (index === source.length - 1 ? 1 : 0))
  return isLoopback ? undefined : ((bytes[body + 4] ?? 0) << 8) | (bytes[body + 5] ?? 0)
}
