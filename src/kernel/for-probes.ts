/** The door through which probes get sockets that Node cannot make. */
export { descriptorsOfThread, writeDownDescriptors } from './descriptor-notes.ts'
export { closeDescriptorsOf, SystemCallError } from './libc.ts'
export { openMarkedSocket } from './marked-socket.ts'
export { closeSockets, type StreamListener, StreamSocket, type StreamTarget } from './stream-socket.ts'
