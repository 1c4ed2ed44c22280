/**
 * The whole daemon in this process, on a played kernel: how long a turn of its main thread takes at the most. The argument is a
 * shape as JSON; prints one line of JSON with the longest turn by occasion.
 */

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { configurationText } from '../own-tables.ts'
import type { Shape } from '../shape.ts'
import { EMPTY_THE_TABLE } from './empty-the-table.ts'
import { playDaemon } from './played-daemon.ts'
import { type Turn, TurnWatch } from './turn-watch.ts'

const RESYNC = 1_000
/** Two resyncs, and room for them. */
const SETTLED = 3 * RESYNC
const PORT = 19_095

async function measure(shape: Shape, directory: string): Promise<Record<string, Turn>> {
  const path = join(directory, 'pointsman.yaml')
  const options = { stateDirectory: directory, adminPort: PORT, perBackendMetrics: true, resyncInterval: RESYNC }
  writeFileSync(path, configurationText(shape, options))
  const watch = new TurnWatch()
  const longest: Record<string, Turn> = {}
  const daemon = playDaemon(path)
  // Only now: the file has been read, as every program reads it before its daemon begins.
  watch.start()
  await daemon.ready
  longest['first pass'] = watch.longest()
  await sleep(SETTLED)
  longest['first resync'] = watch.longest()
  await sleep(SETTLED)
  longest['unchanged resync'] = watch.longest()
  const channel = new BroadcastChannel(EMPTY_THE_TABLE)
  channel.postMessage('now')
  channel.close()
  await sleep(SETTLED)
  longest['repair of the whole table'] = watch.longest()
  await promisify(execFile)('curl', ['-sf', '-o', '/dev/null', `http://127.0.0.1:${PORT}/metrics`])
  longest['scrape'] = watch.longest()
  watch.stop()
  await daemon.stop()
  return longest
}

const directory = mkdtempSync(join(tmpdir(), 'pointsman-bench-'))
try {
  process.stdout.write(`${JSON.stringify(await measure(JSON.parse(process.argv[2] ?? '') as Shape, directory))}\n`)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
