import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { Observable, of } from 'rxjs'
import type { BackendContext } from '../document/backend-list.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import { type ListFormat, type ListResults, type ListSource, parseList } from './list-formats.ts'
import { LIST_WORKER } from './list-worker.ts'

export interface ListJob {
  readonly format: ListFormat
  readonly source: ListSource
  readonly service: BackendContext
}

interface WaitingJob extends ListJob {
  readonly answer: (result: ListResults[ListFormat]) => void
}

/** Bytes up to which a list is parsed on the spot: some ten milliseconds. A YAML list of 10,000 backends takes most of a second. */
const ON_THE_SPOT = 16 * 1024

/** Milliseconds that an idle worker is kept; it holds some 30 MB. */
const IDLE = 5_000

/** Megabytes of heap that a list may take to be parsed; a list that needs more is refused, the process goes on. */
const HEAP = 1_024

/**
 * Parses lists of backends without holding the main thread: large ones go to a worker, one after the other. The worker is
 * started when it is needed, ends when it has been idle for a while, and never keeps the process alive while idle.
 */
export class ListParser {
  readonly #waiting: WaitingJob[] = []
  #running: WaitingJob | undefined
  #worker: Worker | undefined
  #idle: NodeJS.Timeout | undefined

  /** One result, then the end. Unsubscribing gives the job up. */
  parse<Format extends ListFormat>(format: Format, source: ListSource, service: ServiceSpec): Observable<ListResults[Format]> {
    if (source.bytes.length <= ON_THE_SPOT) return of(parseList(format, source, service))
    return new Observable((subscriber) => {
      const answer = (result: ListResults[ListFormat]) => {
        subscriber.next(result as ListResults[Format])
        subscriber.complete()
      }
      // Members that are written elsewhere have no say in how a list is read, and may be many.
      const job: WaitingJob = { format, source, service: { ...service, backends: new Map() } as BackendContext, answer }
      this.#waiting.push(job)
      this.#goOn()
      return () => this.#giveUp(job)
    })
  }

  #goOn(): void {
    if (this.#running !== undefined) return
    this.#running = this.#waiting.shift()
    clearTimeout(this.#idle)
    if (this.#running === undefined) {
      this.#worker?.unref()
      this.#idle = setTimeout(() => this.#dismiss(), IDLE).unref()
      return
    }
    this.#worker ??= this.#start()
    this.#worker.ref()
    const { format, source, service } = this.#running
    this.#worker.postMessage({ format, source, service } satisfies ListJob)
  }

  #start(): Worker {
    const worker = new Worker(workerUrl(), {
      workerData: LIST_WORKER,
      name: 'pointsman-lists',
      resourceLimits: { maxOldGenerationSizeMb: HEAP },
    })
    worker.on('message', (result: ListResults[ListFormat]) => worker === this.#worker && this.#answer(result))
    worker.on('error', (error) => this.#failed(worker, error))
    worker.on('exit', () => this.#failed(worker, new Error('its thread ended')))
    return worker
  }

  #answer(result: ListResults[ListFormat]): void {
    const job = this.#running
    this.#running = undefined
    job?.answer(result)
    this.#goOn()
  }

  #failed(worker: Worker, error: Error): void {
    if (worker !== this.#worker) return
    this.#worker = undefined
    const path = this.#running?.source.path ?? ''
    const problem = `the list cannot be parsed (${error.message})`
    this.#answer({ ok: false, issues: [{ file: path, path: '', problem, remedy: 'make it smaller, or write it as JSON' }] })
  }

  #giveUp(job: WaitingJob): void {
    const index = this.#waiting.indexOf(job)
    if (index >= 0) this.#waiting.splice(index, 1)
    if (this.#running !== job) return
    this.#running = undefined
    this.#dismiss()
    this.#goOn()
  }

  #dismiss(): void {
    const worker = this.#worker
    this.#worker = undefined
    worker?.terminate().catch(() => {})
  }
}

/**
 * The file that the worker runs: the one beside this module, `.ts` or `.js` as this one is; in a bundle, where that does not
 * exist, the bundle itself, which calls runListWorkerIfAsked.
 */
function workerUrl(): URL {
  const here = import.meta.url
  const beside = new URL(`./list-worker-entry${extname(fileURLToPath(here))}`, here)
  return existsSync(beside) ? beside : new URL(here)
}
