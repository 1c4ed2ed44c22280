/** What asking thousands of backends costs the whole daemon, beside HAProxy, on this machine itself. */

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { LabError } from '../../lab/lab-error.ts'
import { haproxyPrograms } from '../../peers/haproxy.ts'
import { nginxPrograms } from '../../peers/nginx.ts'
import type { Window } from '../monotonic.ts'
import { JUDGED_CASE, type ProbePlan } from '../probe-plan.ts'
import { probeTableName } from '../probe-tables.ts'
import type { Message, Profile } from '../sample.ts'
import { summariseProfiles } from '../summarise-profile.ts'

const PROGRAM = fileURLToPath(new URL('./probes-inside.ts', import.meta.url))
/** Milliseconds. */
const PROFILED = 10_000

export async function measureProbes(plan: ProbePlan, take: (message: Message) => void): Promise<void> {
  await inNamespace([JSON.stringify(plan)], (line) => take(JSON.parse(line) as Message))
}

/** Where the time goes while the daemon asks. */
export async function profileProbes(): Promise<Profile> {
  const directory = mkdtempSync(join(tmpdir(), 'pointsman-bench-'))
  try {
    const windows: Window[] = []
    const plan: ProbePlan = { cases: [{ ...JUDGED_CASE, window: PROFILED }] }
    await inNamespace([JSON.stringify(plan), directory], (line) => windows.push(JSON.parse(line) as Window))
    const threads = summariseProfiles(directory, windows).filter(({ thread }) => thread === 'main thread')
    return { kind: 'profile', text: `${PROFILED} ms of probing, ${probeTableName(JUDGED_CASE.table)}`, threads }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Runs the program where nobody else connects to anything, so that the kernel's counters are its own; fetches its peers before. */
async function inNamespace(args: readonly string[], onLine: (line: string) => void): Promise<void> {
  await haproxyPrograms()
  await nginxPrograms()
  const script = 'ip link set lo up && exec "$@"'
  const node = [process.execPath, PROGRAM, ...args]
  const argv = ['--pdeathsig', 'KILL', 'unshare', '--net', 'sh', '-c', script, 'sh', ...node]
  const child = spawn('setpriv', argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 1))
  })
  for await (const line of createInterface({ input: child.stdout })) onLine(line)
  const how = await exited
  if (how !== 0) throw new LabError(`the probing ended with ${how}; what it said is above`)
}
