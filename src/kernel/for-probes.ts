/** The door through which probes get sockets that Node cannot make. */
export { SystemCallError } from './libc.ts'
export { openMarkedSocket } from './marked-socket.ts'
export { type StreamListener, StreamSocket, type StreamTarget } from './stream-socket.ts'
