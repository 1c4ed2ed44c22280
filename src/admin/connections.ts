import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Keeps at most so many connections open, of which the newest always is one: to make room for it ends the one that has been without a
 * request for the longest time, and where all have one, the oldest. Turning away who comes last would let anybody who holds them all keep scrapers
 * and probes out.
 */
export function limitConnections(server: Server, limit: number): void {
  /** The one that was used last is the last. */
  const open = new Set<Socket>()
  const busy = new Set<Socket>()
  const forget = (socket: Socket): void => {
    open.delete(socket)
    busy.delete(socket)
  }
  server.on('connection', (socket: Socket) => {
    if (open.size >= limit) {
      const [oldest] = open
      const unused = [...open].find((each) => !busy.has(each)) ?? oldest
      if (unused !== undefined) {
        forget(unused)
        unused.destroy()
      }
    }
    open.add(socket)
    socket.once('close', () => forget(socket))
  })
  server.on('request', ({ socket }, response) => {
    busy.add(socket)
    response.once('close', () => {
      busy.delete(socket)
      if (open.delete(socket)) open.add(socket)
    })
  })
}
