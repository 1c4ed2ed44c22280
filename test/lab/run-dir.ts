/** One folder per running lab, under the system's temporary folder; those of dead runs are swept by the next. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const prefix = 'pointsman-lab-'

/**
 * When a process started, in clock ticks since boot (proc(5), stat field 22): with its id it names one process for good.
 * Undefined when there is none, or only its zombie.
 */
export function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

/** Makes a fresh folder that belongs to this process. */
export function makeRunDir(): string {
  const dir = mkdtempSync(join(tmpdir(), prefix))
  writeFileSync(join(dir, 'owner'), `${process.pid} ${startTime(process.pid)}`)
  return dir
}

/** The folders of all runs, dead ones included. */
export function runDirs(): readonly string[] {
  return readdirSync(tmpdir())
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(tmpdir(), name))
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

/** Kills the command of a dead run, if its command line still names the run's folder. */
function killLeftover(dir: string): void {
  const pid = Number(read(join(dir, 'child.pid')))
  if (pid > 0 && read(`/proc/${pid}/cmdline`).includes(dir)) process.kill(pid, 'SIGKILL')
}

/** A folder without owner is just being made by another run, unless it is old. */
function isFresh(dir: string): boolean {
  const stat = statSync(dir, { throwIfNoEntry: false })
  return stat === undefined || Date.now() - stat.mtimeMs < 60_000
}

/** Removes what runs that died together with their guard have left. Returns the folders removed. */
export function sweepDeadRuns(): readonly string[] {
  const swept: string[] = []
  for (const dir of runDirs()) {
    const [pid = '', started = ''] = read(join(dir, 'owner')).split(' ')
    if (started === '' ? isFresh(dir) : startTime(Number(pid)) === started) continue
    killLeftover(dir)
    rmSync(dir, { recursive: true, force: true })
    swept.push(dir)
  }
  return swept
}
