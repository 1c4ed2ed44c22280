/** The door through which probes get sockets that Node cannot make. */
export { SystemCallError } from './libc.ts'
export { openMarkedSocket } from './marked-socket.ts'
