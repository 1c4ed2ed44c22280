/** Answers everybody on TCP and UDP with the address and port that they come from, as this server sees them. Arguments: ports. */
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

for (const port of process.argv.slice(2).map(Number)) {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.end(`${socket.remoteAddress} ${socket.remotePort}\n`)
  })
  await new Promise<void>((resolve) => server.listen({ port, host: '::' }, resolve))
  for (const type of ['udp4', 'udp6'] as const) {
    const socket = createSocket({ type, ipv6Only: type === 'udp6' })
    socket.on('message', (_, { address, port: from }) => socket.send(`${address} ${from}\n`, from, address))
    await new Promise<void>((resolve) => socket.bind(port, resolve))
  }
}
process.stdout.write('ready\n')
