import { parentPort, workerData } from 'node:worker_threads'
import { COMMAND } from '../../../../src/kernel/ipvs/constants.ts'
import type { WorkerData } from '../../../../src/kernel/worker/jobs.ts'
import { serveKernel } from '../../../../src/kernel/worker/serve.ts'
import { errorBytes, ScriptedKernel } from './scripted-kernel.ts'

/**
 * A kernel worker on a scripted kernel. What it misbehaves in is in the variable SCRIPTED_KERNEL: `slow-from=N&slow-ms=T` makes every send(2) from
 * the N-th batch on take T milliseconds; `tear=all` leaves out every second object of each dump, `tear=services` that of the
 * service list alone, `tear=once` that of the first destination dump alone; `garble=N` puts an answer to nobody before that of the N-th
 * batch; `dump-ms=T` makes every list of destinations take T milliseconds; `traffic=1` changes connection counts all the time; `throw=N` throws outside of every job once the N-th batch is worked off,
 * `exit=N` ends the thread in the middle of it.
 */
const settings = new URLSearchParams(process.env['SCRIPTED_KERNEL'])
const number = (name: string) => Number(settings.get(name) ?? 0)

class MisbehavingKernel extends ScriptedKernel {
  #batches = 0
  #dumps = 0

  override send(bytes: Uint8Array): void {
    if (bytes[16] === COMMAND.newService || bytes[16] === COMMAND.newDest) {
      this.#batches++
      // An answer to nobody before that of the N-th batch.
      if (this.#batches === number('garble')) this.queue.push(errorBytes(2, 0xffff_0000, -17, new Uint8Array(16)))
      if (this.#batches === number('throw')) setTimeout(throwUnexpectedly, AFTERWARDS)
      if (this.#batches === number('exit')) process.exit(7)
      if (settings.has('slow-ms') && this.#batches >= number('slow-from')) sleep(number('slow-ms'))
    }
    if (settings.has('dump-ms') && bytes[16] === COMMAND.getDest) sleep(number('dump-ms'))
    if (settings.has('traffic')) this.active++
    super.send(bytes)
  }

  override tear = (command: number, messages: Uint8Array[]): Uint8Array[] => {
    const everySecond = () => messages.filter((_, index) => index % 2 === 0)
    switch (settings.get('tear')) {
      case 'all':
        return everySecond()
      case 'services':
        return command === COMMAND.getService ? everySecond() : messages
      case 'once':
        return command === COMMAND.getDest && this.#dumps++ === 0 ? everySecond() : messages
      default:
        return messages
    }
  }
}

/** Milliseconds after which the answer to a job has left, also on a busy machine. */
const AFTERWARDS = 500

function throwUnexpectedly(): never {
  throw new Error('nobody expected this')
}

function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

const { control, windows } = workerData as WorkerData
if (parentPort === null) throw new Error('this file runs as a worker')
const kernel = new MisbehavingKernel()
serveKernel(parentPort, {
  openTransport: () => kernel,
  loadModule: () => 'there is none',
  control,
  windows,
})
