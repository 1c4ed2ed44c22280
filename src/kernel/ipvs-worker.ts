import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { modprobe } from './ipvs/load-module.ts'
import { openNetlinkSocket } from './netlink/netlink-socket.ts'
import type { WorkerData } from './worker/jobs.ts'
import { serveKernel } from './worker/serve.ts'

/**
 * Becomes the kernel worker when this thread was started as one, and says whether it did. A program that is bundled into one
 * file calls this first and does nothing else when the answer is true.
 */
export function runIpvsWorkerIfAsked(): boolean {
  if (isMainThread || parentPort === null || !isWorkerData(workerData)) return false
  serveKernel(parentPort, {
    openTransport: openNetlinkSocket,
    loadModule: modprobe,
    control: workerData.control,
    windows: workerData.windows,
  })
  return true
}

function isWorkerData(data: unknown): data is WorkerData {
  return typeof data === 'object' && data !== null && 'pointsmanWorker' in data && data.pointsmanWorker === 'ipvs'
}
