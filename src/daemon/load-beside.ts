import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { LoadResult, Overrides } from '../config/configuration.ts'
import { loadConfiguration } from '../config/load.ts'
import type { LoadJob } from './load-worker.ts'

/** Bytes up to which a configuration is loaded on the spot: some ten milliseconds. One of 10,000 backends takes most of a second. */
const ON_THE_SPOT = 16 * 1024

/** Megabytes of heap that a configuration may take to be loaded; one that needs more is refused, the daemon goes on. */
const HEAP = 1_024

/** Loads a configuration as `loadConfiguration` does, but large ones in a thread of their own: whoever runs meanwhile goes on. */
export function loadBeside(source: LoadJob['source'], overrides: Overrides): Promise<LoadResult> {
  if (source.bytes.length <= ON_THE_SPOT) return Promise.resolve(loadConfiguration(source, overrides))
  const job: LoadJob = { pointsmanWorker: 'configuration', source, overrides: plain(overrides) }
  return new Promise((resolve) => {
    const worker = new Worker(workerUrl(), {
      workerData: job,
      name: 'pointsman-load',
      resourceLimits: { maxOldGenerationSizeMb: HEAP },
    })
    const failed = (why: string): void => resolve({ ok: false, issues: [tooMuch(source.path, why)] })
    worker.on('message', resolve)
    worker.on('error', (error) => failed(error.message))
    worker.on('exit', () => failed('its thread ended'))
  })
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
