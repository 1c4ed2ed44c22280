/** What the daemon costs on this machine itself beside a Consul agent in which nothing happens. */

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { consulConfigurationText } from '../consul-tables.ts'
import { FilledAgent } from '../filled-agent.ts'
import type { ConsulPlan } from '../plan.ts'
import type { Message } from '../sample.ts'
import { shapeName } from '../shape.ts'

const PROGRAM = fileURLToPath(new URL('./idle.ts', import.meta.url))
const PORT = 19_096

/** `binary`: the program of Consul. */
export async function measureIdle(
  { shape, settled, idle }: ConsulPlan,
  binary: string,
  take: (message: Message) => void,
): Promise<void> {
  take({ kind: 'progress', text: `${shapeName(shape)}: idle beside Consul on this machine` })
  await using filled = await FilledAgent.open(binary, shape)
  const directory = mkdtempSync(join(tmpdir(), 'pointsman-bench-'))
  try {
    const path = join(directory, 'pointsman.yaml')
    writeFileSync(path, consulConfigurationText(shape, filled.httpsKeys, { stateDirectory: directory, adminPort: PORT }))
    const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, path, String(settled), String(idle)])
    take({ kind: 'sample', measure: 'idle', shape: shapeName(shape), subject: 'https', value: Number(stdout) })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
