/** A kernel worker whose kernel is played: the main thread is the real one, at this machine's own speed. */

import { parentPort, workerData } from 'node:worker_threads'
import type { WorkerData } from '../../../src/kernel/worker/jobs.ts'
import { serveKernel } from '../../../src/kernel/worker/serve.ts'
import { ScriptedKernel } from '../../unit/kernel/support/scripted-kernel.ts'
import { EMPTY_THE_TABLE } from './empty-the-table.ts'

class ForgetfulKernel extends ScriptedKernel {
  override send(bytes: Uint8Array): void {
    super.send(bytes)
    // What was sent is kept for tests; here it would only fill the memory.
    this.sends.length = 0
  }
}

const { control, windows } = workerData as WorkerData
if (parentPort === null) throw new Error('this file runs as a worker')
const kernel = new ForgetfulKernel()
new BroadcastChannel(EMPTY_THE_TABLE).onmessage = () => kernel.services.clear()
serveKernel(parentPort, { openTransport: () => kernel, loadModule: () => 'there is none', control, windows })
