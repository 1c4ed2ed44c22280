import { AF_UNIX, LITTLE_ENDIAN, RawSocket, SOCK_DGRAM, SystemCallError } from './libc.ts'

/** `struct sockaddr_un`: the family, then at most this many bytes of name. */
const LONGEST_NAME = 107

/**
 * Tells the service manager something (sd_notify(3)): `READY=1`, `WATCHDOG=1`, `STOPPING=1`, `STATUS=…`, several of them
 * separated by line ends. False when nobody wants to know (no NOTIFY_SOCKET) or the manager does not take it.
 */
export function systemdNotify(state: string): boolean {
  const name = process.env['NOTIFY_SOCKET']
  if (name === undefined || !/^[/@]./.test(name)) return false
  const address = unixAddress(name)
  if (address === undefined) return false
  try {
    using socket = new RawSocket(AF_UNIX, SOCK_DGRAM, 0)
    socket.sendTo(new TextEncoder().encode(state), address)
    return true
  } catch (error) {
    if (error instanceof SystemCallError) return false
    throw error
  }
}

/** A path, or an abstract name when it starts with `@`. */
function unixAddress(name: string): Uint8Array | undefined {
  const path = new TextEncoder().encode(name)
  if (path.length > LONGEST_NAME) return undefined
  const abstract = name.startsWith('@')
  if (abstract) path[0] = 0
  // The length of an abstract name is the address's own; a path ends with a NUL byte.
  const bytes = new Uint8Array(2 + path.length + (abstract ? 0 : 1))
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, LITTLE_ENDIAN)
  bytes.set(path, 2)
  return bytes
}
