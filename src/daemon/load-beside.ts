import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { LoadResult, Overrides } from '../config/configuration.ts'
import { type Loaded, loadFrom } from '../config/load-from.ts'
import { ReadTrace, type WhatWasRead } from '../config/read-trace.ts'
import type { LoadJob, LoadWord } from './load-worker.ts'
import { realReach } from './reach.ts'

/** Bytes up to which a configuration is loaded on the spot: some ten milliseconds. One of 10,000 backends takes most of a second. */
const ON_THE_SPOT = 16 * 1024

/** Megabytes of heap that a configuration may take to be loaded; one that needs more is refused, the daemon goes on. */
const HEAP = 1_024

/** As `Loaded`, but that what was read is not known where the loading itself failed: only what had been read by then. */
export type LoadedBeside = Loaded | { readonly result: LoadResult & { readonly ok: false }; readonly readByThen: WhatWasRead }

/**
 * Loads a configuration as `loadFrom` does, but large ones, and those that name other files, in a thread of their own: whoever
 * runs meanwhile goes on.
 */
export function loadBeside(source: LoadJob['source'], overrides: Overrides, heap = HEAP): Promise<LoadedBeside> {
  if (source.bytes.length <= ON_THE_SPOT && !namesOthers(source.bytes)) return loadFrom(source, overrides, realReach())
  const job: LoadJob = { pointsmanWorker: 'configuration', source, overrides: plain(overrides) }
  const trace = new ReadTrace()
  return new Promise((resolve) => {
    const worker = new Worker(workerUrl(), {
      workerData: job,
      name: 'pointsman-load',
      resourceLimits: { maxOldGenerationSizeMb: heap },
    })
    const failed = (why: string): void =>
      resolve({ result: { ok: false, issues: [tooMuch(source.path, why)] }, readByThen: trace.result() })
    worker.on('message', (word: LoadWord) => {
      if ('note' in word) trace.note(word.note)
      else resolve(word.loaded)
    })
    worker.on('error', (error) => failed(error.message))
    worker.on('exit', () => failed('its thread ended'))
  })
}

function namesOthers(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return text.includes('include') || text.includes('parameters')
}

/** `process.env` cannot be handed to a thread; a copy can. */
function plain({ flags, environment }: Overrides): Overrides {
  return {
    ...(flags !== undefined && { flags: { ...flags } }),
    ...(environment !== undefined && { environment: { ...environment } }),
  }
}

function tooMuch(file: string, why: string) {
  return {
    file,
    path: '',
    problem: `the configuration cannot be loaded (${why})`,
    remedy: 'move long lists of backends to file sources',
  }
}

/** The file that the worker runs: the one beside this module; in a bundle, where that does not exist, the bundle itself. */
function workerUrl(): URL {
  const here = import.meta.url
  const beside = new URL(`./load-worker-entry${extname(fileURLToPath(here))}`, here)
  return existsSync(beside) ? beside : new URL(here)
}
