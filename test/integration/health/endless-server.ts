import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { onTestFinished } from 'vitest'
import type { ProbeTarget } from '../../../src/health/target.ts'
import { address } from './bad-servers.ts'

const PROGRAM = `
const { createServer } = require('node:net')
const { parentPort, workerData: { first, then } } = require('node:worker_threads')
const more = Buffer.from(then.repeat(Math.ceil(262_144 / then.length)))
const server = createServer((socket) => {
  const write = () => { while (!socket.destroyed && socket.write(more)); }
  socket.on('error', () => {}).on('drain', write)
  socket.once('data', () => { socket.write(first); write() }).resume()
})
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

/** Answers whatever it hears with `first` and then with `then` without end, in a thread of its own: so fast that there is always more to read. */
export async function endless(then: string, first = ''): Promise<ProbeTarget> {
  const worker = new Worker(PROGRAM, { eval: true, workerData: { first, then } })
  onTestFinished(async () => void (await worker.terminate()))
  const [port] = await once(worker, 'message')
  return { address: address('127.0.0.1'), port }
}
