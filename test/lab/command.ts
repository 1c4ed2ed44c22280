/** Runs a program of this machine to its end. */

import { execFile } from 'node:child_process'
import { LabError } from './lab-error.ts'

export interface CommandOptions {
  readonly cwd?: string
  readonly input?: string
  readonly timeoutMs?: number
}

/** The program's output as bytes; a LabError with its last words when it fails. */
export function commandBytes(argv: readonly string[], options: CommandOptions = {}): Promise<Buffer> {
  const [file = '', ...args] = argv
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      args,
      {
        encoding: 'buffer',
        maxBuffer: 512 << 20,
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs, killSignal: 'SIGKILL' }),
      },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout)
        const lastWords = stderr.toString().trim().split('\n').slice(-12).join(' | ') || error.message
        reject(new LabError(`${argv.slice(0, 4).join(' ')} failed: ${lastWords}`, { cause: error }))
      },
    )
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(options.input ?? '')
  })
}

export async function command(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  return (await commandBytes(argv, options)).toString()
}
