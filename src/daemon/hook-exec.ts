import { type ChildProcess, spawn } from 'node:child_process'
import { realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { killGroup, PROGRAM_PATH } from '../health/program.ts'

/** Mode bits of inode(7): write for the group and for others, and the sticky bit. */
const WRITE_OTHERS = 0o022
const STICKY = 0o1000

/**
 * Runs a program with one line of input and waits for its end. Rejects with a sentence where it cannot be run, may not be run or does
 * not exit with 0. When the signal aborts it is ended with its whole process group.
 */
export async function runHook(
  command: readonly string[],
  input: string,
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const [program = '', ...args] = command
  const changeable = await changeableBy(program)
  if (changeable !== undefined) throw new Error(changeable)
  signal.throwIfAborted()
  await new Promise<void>((resolve, reject) => {
    const child: ChildProcess = spawn(program, args, {
      cwd: '/',
      detached: true,
      env: { PATH: PROGRAM_PATH, ...environment },
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    const end = () => {
      killGroup(child)
      reject(new Error(`${program} does not end in time`))
    }
    signal.addEventListener('abort', end, { once: true })
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(new Error(`${program} cannot be run (${error.code ?? error.message})`)),
    )
    child.on('exit', (code, killed) => {
      signal.removeEventListener('abort', end)
      // What it started and did not wait for.
      killGroup(child)
      if (code === 0) resolve()
      else reject(new Error(code === null ? `${program} was ended by ${killed}` : `${program} exits with ${code}`))
    })
    // A program may end without reading what it is told. Where no file descriptor was left there is no input.
    child.stdin?.on('error', () => {})
    child.stdin?.end(`${input}\n`)
  })
}

/** Why somebody else may decide what the program does; undefined where nobody can. */
async function changeableBy(program: string): Promise<string | undefined> {
  const us = process.getuid?.() ?? 0
  let path: string
  try {
    path = await realpath(program)
  } catch (error) {
    return `${program} cannot be run (${(error as NodeJS.ErrnoException).code ?? 'unreadable'})`
  }
  for (let at = path; ; at = dirname(at)) {
    const { uid, mode } = await stat(at)
    const shared = (mode & WRITE_OTHERS) !== 0 && (at === path || (mode & STICKY) === 0)
    if ((uid !== 0 && uid !== us) || shared)
      return `${program} is not run, because ${at} can be changed by others: let it belong to root and be writable by root alone`
    if (at === dirname(at)) return undefined
  }
}
