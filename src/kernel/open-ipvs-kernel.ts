import type { PointsmanError } from '../errors.ts'
import { IpvsClient } from './ipvs-client.ts'
import type { IpvsKernel } from './ipvs-kernel.ts'
import { defaultWorkerUrl, KernelWorker } from './worker/kernel-worker.ts'

export interface OpenIpvsKernelOptions {
  /** Milliseconds without progress after which the kernel counts as stuck; 10 s where it is left out. */
  readonly deadlineMs?: number
  /** Called once when the kernel is stuck or the thread that talks to it died; from then on every call rejects with the same error. */
  readonly onStuck?: (error: PointsmanError) => void
  /** File of the network namespace to work in (`/run/netns/director`, `/proc/PID/ns/net`); the process's own where it is left out. */
  readonly netnsPath?: string
  /** The program that the worker runs; it calls `runIpvsWorkerIfAsked`. */
  readonly workerUrl?: URL
}

const DEADLINE = 10_000

/**
 * Starts the kernel worker and makes sure that IPVS is there and may be used. Rejects with IPVS_MISSING, NO_PERMISSION,
 * KERNEL_STUCK, UNSUPPORTED_PLATFORM or BAD_INPUT (a namespace that cannot be entered).
 */
export async function openIpvsKernel(options: OpenIpvsKernelOptions = {}): Promise<IpvsKernel> {
  const worker = new KernelWorker({
    deadlineMs: options.deadlineMs ?? DEADLINE,
    onStuck: options.onStuck ?? (() => undefined),
    workerUrl: options.workerUrl ?? defaultWorkerUrl(),
  })
  const kernel = new IpvsClient(worker)
  try {
    await worker.call('open', options.netnsPath === undefined ? {} : { netnsPath: options.netnsPath })
    // Looking the family up needs no capability; the first real question does.
    await kernel.info()
    return kernel
  } catch (error) {
    await kernel[Symbol.asyncDispose]()
    throw error
  }
}
