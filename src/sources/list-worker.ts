import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { parseList } from './list-formats.ts'
import type { ListJob } from './list-parser.ts'

/** What a thread is started with to become a list worker. */
export const LIST_WORKER = { pointsmanWorker: 'lists' } as const

/**
 * Becomes the worker that parses lists when this thread was started as one, and says whether it did. A program that is bundled
 * into one file calls this first in its other threads.
 */
export function runListWorkerIfAsked(): boolean {
  if (isMainThread || parentPort === null || workerData?.pointsmanWorker !== LIST_WORKER.pointsmanWorker) return false
  const port = parentPort
  port.on('message', ({ format, source, service }: ListJob) => port.postMessage(parseList(format, source, service)))
  return true
}
