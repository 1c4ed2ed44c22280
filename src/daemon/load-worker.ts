import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import type { Overrides } from '../config/configuration.ts'
import { type Loaded, loadFrom } from '../config/load-from.ts'
import type { ReadNote } from '../config/read-trace.ts'
import { MAX_ISSUES_TOLD } from '../document/issue.ts'
import { realReach } from './reach.ts'

/** What a thread is started with to load one configuration. */
export interface LoadJob {
  readonly pointsmanWorker: 'configuration'
  readonly source: { readonly path: string; readonly bytes: Uint8Array }
  readonly overrides: Overrides
}

/** What the thread says: each thing that it reads, so that this is known where it dies, and the whole in the end. */
export type LoadWord = { readonly note: ReadNote } | { readonly loaded: Loaded }

/**
 * Loads the configuration that this thread was started for, answers and ends; says whether there was one. A program that is
 * bundled into one file calls this in its other threads.
 */
export function runLoadWorkerIfAsked(): boolean {
  const job = workerData as LoadJob | undefined
  if (isMainThread || parentPort === null || job?.pointsmanWorker !== 'configuration') return false
  const port = parentPort
  const say = (word: LoadWord) => port.postMessage(word)
  void loadFrom(job.source, job.overrides, realReach(), (note) => say({ note })).then((loaded) =>
    say({ loaded: handedOver(loaded) }),
  )
  return true
}

/** The thread that runs would stand still while it takes in tens of thousands of issues; it tells no more than these anyway. */
function handedOver({ result, read }: Loaded): Loaded {
  if (result.ok || result.issues.length <= MAX_ISSUES_TOLD) return { result, read }
  const issues = result.issues.slice(0, MAX_ISSUES_TOLD)
  return { result: { ok: false, issues, omitted: result.issues.length - issues.length }, read }
}
