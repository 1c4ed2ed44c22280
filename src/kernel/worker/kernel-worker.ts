import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { PointsmanError } from '../../errors.ts'
import {
  CONTROL,
  type JobKind,
  type JobMessage,
  type Jobs,
  WINDOW_BYTES,
  WINDOWS,
  type WorkerData,
  type WorkerMessage,
} from './jobs.ts'

export interface KernelWorkerOptions {
  /** Milliseconds without a sign of progress after which the kernel counts as stuck. */
  readonly deadlineMs: number
  /** Called once, when that happens or when the thread dies without having been asked to. */
  readonly onStuck: (error: PointsmanError) => void
  readonly workerUrl: URL
}

interface Pending {
  readonly resolve: (answer: never) => void
  readonly reject: (error: Error) => void
}

/** What the worker keeps lies outside its heap; the default of a whole process would only cost memory. */
const WORKER_LIMITS = { maxYoungGenerationSizeMb: 8 } as const

/**
 * The main thread's end of the kernel worker. Jobs are answered in order. A system call cannot be interrupted, so a worker
 * that stops making progress is given up: everything waiting rejects with KERNEL_STUCK, so does every later call, and the
 * worker finds the shared flag before its next write. A worker that dies is the same: nothing is written until a restart.
 */
export class KernelWorker implements AsyncDisposable {
  readonly windows: Uint8Array
  readonly #control: Int32Array
  readonly #worker: Worker
  readonly #options: KernelWorkerOptions
  readonly #pending = new Map<number, Pending>()
  #nextId = 1
  /** Starting a thread is not the kernel's time: it counts from here on. */
  #ready = false
  #family = 0
  #seenProgress = 0
  #watch: NodeJS.Timeout | undefined
  /** Why no further call is possible. */
  #ended: PointsmanError | undefined

  constructor(options: KernelWorkerOptions) {
    this.#options = options
    this.windows = new Uint8Array(new SharedArrayBuffer(WINDOWS * WINDOW_BYTES))
    this.#control = new Int32Array(new SharedArrayBuffer(CONTROL.length * Int32Array.BYTES_PER_ELEMENT))
    const data: WorkerData = { pointsmanWorker: 'ipvs', control: this.#control, windows: this.windows }
    this.#worker = new Worker(options.workerUrl, { workerData: data, name: 'pointsman-ipvs', resourceLimits: WORKER_LIMITS })
    this.#worker.on('message', (message: WorkerMessage) => this.#answered(message))
    this.#worker.on('error', (cause) => this.#died(cause))
    this.#worker.on('exit', (code) => this.#died(`it ended with exit code ${code}`))
  }

  /** The number under which the kernel knew the IPVS family when it last answered. */
  get family(): number {
    return this.#family
  }

  call<K extends JobKind>(kind: K, ask: Jobs[K]['ask']): Promise<Jobs[K]['answer']> {
    if (this.#ended) return Promise.reject(this.#ended)
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#worker.postMessage({ id, kind, ask } satisfies JobMessage<K>)
      if (this.#ready && this.#watch === undefined) this.#startWatch()
    })
  }

  /** Whether somebody waits, so that a reading of the whole table is to be broken off. */
  giveWay(should: boolean): void {
    Atomics.store(this.#control, CONTROL.giveWay, should ? 1 : 0)
  }

  /** Ends the worker. One that is stuck inside the kernel cannot be ended before the kernel lets go of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const stuck = this.#ended?.code === 'KERNEL_STUCK'
    this.#end(new PointsmanError('INTERNAL', 'The connection to the kernel is closed already: open a new one.'))
    const ended = this.#worker.terminate()
    if (stuck) this.#worker.unref()
    else await ended
  }

  #answered(message: WorkerMessage): void {
    if ('ready' in message) {
      this.#ready = true
      if (this.#pending.size > 0) this.#startWatch()
      return
    }
    const pending = this.#pending.get(message.id)
    if (pending === undefined) return
    this.#pending.delete(message.id)
    if (this.#pending.size === 0) this.#stopWatch()
    if ('error' in message) {
      pending.reject(new PointsmanError(message.error.code, message.error.message, { detail: message.error.detail }))
      return
    }
    this.#family = message.family
    pending.resolve(message.answer as never)
  }

  #startWatch(): void {
    this.#seenProgress = Atomics.load(this.#control, CONTROL.progress)
    this.#watch = setTimeout(() => this.#check(), this.#options.deadlineMs)
  }

  #stopWatch(): void {
    clearTimeout(this.#watch)
    this.#watch = undefined
  }

  #check(): void {
    const progress = Atomics.load(this.#control, CONTROL.progress)
    if (progress !== this.#seenProgress) {
      this.#startWatch()
      return
    }
    Atomics.store(this.#control, CONTROL.abandoned, 1)
    const seconds = this.#options.deadlineMs / 1000
    const error = new PointsmanError(
      'KERNEL_STUCK',
      `The kernel has not come back from an IPVS call for ${seconds} s, so nothing more is written: look into dmesg for hung tasks, then restart Pointsman (established connections go on).`,
    )
    this.#giveUp(error)
  }

  /** 'error' is followed by 'exit', and disposing ends the thread too: only the first end counts. */
  #died(cause: unknown): void {
    if (this.#ended === undefined) this.#giveUp(threadGone(cause))
  }

  #giveUp(error: PointsmanError): void {
    this.#end(error)
    this.#options.onStuck(error)
  }

  #end(error: PointsmanError): void {
    this.#stopWatch()
    this.#ended ??= error
    Atomics.store(this.#control, CONTROL.abandoned, 1)
    for (const { reject } of this.#pending.values()) reject(this.#ended)
    this.#pending.clear()
  }
}

/**
 * The file that the worker runs: the one beside this module, `.ts` or `.js` as this one is; in a bundle, where that does not
 * exist, the bundle itself, which calls runIpvsWorkerIfAsked.
 */
export function defaultWorkerUrl(): URL {
  const here = import.meta.url
  const beside = new URL(`./ipvs-worker-entry${extname(fileURLToPath(here))}`, here)
  return existsSync(beside) ? beside : new URL(here)
}

function threadGone(cause: unknown): PointsmanError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new PointsmanError(
    'KERNEL_STUCK',
    `The thread that talks to the kernel is gone (${reason}), so nothing more is written: restart Pointsman (established connections go on).`,
    { cause },
  )
}
