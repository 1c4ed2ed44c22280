import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { onTestFinished } from 'vitest'
import type { ProbeTarget } from '../../../src/health/target.ts'
import { address } from './bad-servers.ts'

const PROGRAM = `
const { createServer } = require('node:net')
const { parentPort, workerData: resets } = require('node:worker_threads')
const server = createServer((socket) => {
  socket.resetAndDestroy()
  Atomics.add(resets, 0, 1)
  Atomics.notify(resets, 0)
})
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

/** Milliseconds after which a test fails rather than hangs. */
const PATIENCE = 10_000

/** Resets every connection at once, in a thread of its own; this one can stand still until it has. */
export async function resetting(): Promise<{ readonly target: ProbeTarget; waitForReset(): void }> {
  const resets = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(PROGRAM, { eval: true, workerData: resets })
  onTestFinished(async () => void (await worker.terminate()))
  const [port] = await once(worker, 'message')
  let seen = 0
  const waitForReset = () => {
    Atomics.wait(resets, 0, seen, PATIENCE)
    seen += 1
  }
  return { target: { address: address('127.0.0.1'), port }, waitForReset }
}
