import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { closeSockets, writeDownDescriptors } from '../../kernel/for-probes.ts'
import { probeFor } from '../registry.ts'
import { Answering } from './answering.ts'
import { END, type Order, type ProbeWorkerData, READY, type Word } from './words.ts'

/**
 * Becomes a thread that asks backends when this one was started as that, and says whether it did. A program that is bundled
 * into one file calls this in its other threads.
 */
export function runProbeWorkerIfAsked(): boolean {
  const data = workerData as ProbeWorkerData | undefined
  if (isMainThread || parentPort === null || data?.pointsmanWorker !== 'probes') return false
  const port = parentPort
  const say = (word: Word) => port.postMessage(word)
  writeDownDescriptors(data.descriptors)
  const answering = new Answering({ probeFor, post: say })
  port.on('message', (order: Order) => {
    if (order !== END) return answering.hear(order)
    answering.stop()
    closeSockets()
    // Nothing else keeps it.
    port.close()
  })
  say(READY)
  return true
}
