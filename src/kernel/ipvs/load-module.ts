import { spawnSync } from 'node:child_process'
import { environment } from '../modules.ts'
import type { LoadModule } from './family.ts'

/** One `modprobe`. */
export const modprobe: LoadModule = (name) => {
  const run = spawnSync('modprobe', [name], { encoding: 'utf8', timeout: 5_000, env: environment() })
  if (run.error) return run.error.message
  if (run.status === 0) return undefined
  return run.stderr.trim().split('\n')[0] || `exit code ${run.status ?? run.signal}`
}
