/** One UDP flow: datagrams from one port to ADDRESS PORT, ten a second; prints `sent N` and `answered N` as they come. */
import { createSocket } from 'node:dgram'

const [address = '', port = ''] = process.argv.slice(2)
const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
let sent = 0
let answered = 0
socket.on('message', () => console.log(`answered ${++answered}`))
// What ICMP says about a datagram is no reason to end.
socket.on('error', () => {})
setInterval(() => socket.send('echo\n', Number(port), address, () => console.log(`sent ${++sent}`)), 100)
