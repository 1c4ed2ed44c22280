import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { closeDescriptorsOf, descriptorsOfThread } from '../../kernel/for-probes.ts'
import { Answering, type AnsweringOptions } from './answering.ts'
import type { StartedThread, ThreadListener } from './probe-thread.ts'
import { END, type ProbeWorkerData, READY, type Word } from './words.ts'

/** Half of it is copied by each collection of what is young: what probes leave behind is most of all that there is. */
const LIMITS = { maxYoungGenerationSizeMb: 24 } as const

/** A thread of its own. */
export function startProbeWorker(listener: ThreadListener, url: URL = workerUrl()): StartedThread {
  const workerData: ProbeWorkerData = { pointsmanWorker: 'probes', descriptors: descriptorsOfThread() }
  const worker = new Worker(url, { workerData, name: 'pointsman-probe', resourceLimits: LIMITS })
  let why = 'itself'
  worker.on('message', (word: Word) => (word === READY ? listener.ready() : listener.answered(word)))
  worker.on('error', (error: unknown) => {
    why = faultOf(error)
  })
  worker.on('exit', () => {
    closeDescriptorsOf(workerData.descriptors)
    listener.ended(why)
  })
  return { post: (order) => worker.postMessage(order), kill: () => void worker.terminate() }
}

/** No thread at all: the one that calls this asks, in the same way. */
export function startHere(probeFor: AnsweringOptions['probeFor'], listener: ThreadListener): StartedThread {
  const answering = new Answering({ probeFor, post: (answers) => listener.answered(answers) })
  const end = () => {
    answering.stop()
    listener.ended('itself')
  }
  queueMicrotask(() => listener.ready())
  return { post: (order) => (order === END ? end() : answering.hear(order)), kill: end }
}

/** What it is and where; never its message, which may quote what was asked. */
function faultOf(error: unknown): string {
  if (!(error instanceof Error)) return 'something thrown that is no error'
  const { code } = error as NodeJS.ErrnoException
  const where = error.stack?.split('\n').find((line) => /^\s+at /.test(line))
  return `${code ?? error.name}${where === undefined ? '' : ` ${where.trim()}`}`
}

/** The file that the worker runs: the one beside this module; in a bundle, where that does not exist, the bundle itself. */
function workerUrl(): URL {
  const here = import.meta.url
  const beside = new URL(`./probe-worker-entry${extname(fileURLToPath(here))}`, here)
  return existsSync(beside) ? beside : new URL(here)
}
