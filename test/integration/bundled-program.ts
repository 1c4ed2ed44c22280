import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'

export interface Outcome {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** The program as users run it: one file, which starts twice as fast as the sources. With a folder for what it is given. */
export class BundledProgram implements AsyncDisposable {
  readonly directory: string
  readonly path: string

  private constructor(directory: string, path: string) {
    this.directory = directory
    this.path = path
  }

  static async make(): Promise<BundledProgram> {
    const directory = await mkdtemp(join(tmpdir(), 'pointsman-program-'))
    await mkdir('dist', { recursive: true })
    const path = join(await mkdtemp('dist/test-'), 'pointsman.mjs')
    await promisify(execFile)(process.execPath, ['tools/bundle.mjs', path])
    return new BundledProgram(directory, path)
  }

  /**
   * Runs a command with nothing of the caller's environment that could change it. `largestFile`: bytes beyond which a write into a file is refused, as
   * one to a full disk.
   */
  async run(
    args: readonly string[],
    options: { readonly input?: string; readonly environment?: NodeJS.ProcessEnv; readonly largestFile?: number } = {},
  ): Promise<Outcome> {
    const { largestFile } = options
    // The shell counts in blocks of 512 bytes.
    const limit = largestFile === undefined ? [] : ['sh', '-c', `trap "" XFSZ; ulimit -f ${largestFile / 512}; exec "$@"`, 'sh']
    const [program = '', ...words] = [...limit, process.execPath, this.path, ...args]
    const child = spawn(program, words, {
      env: { PATH: process.env['PATH'], ...options.environment },
      stdio: 'pipe',
    })
    // A command that does not read its input to the end is no trouble of ours.
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
    const [[code], out, err] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)])
    return { code: code as number | null, out, err }
  }

  async file(name: string, content: string): Promise<string> {
    const path = join(this.directory, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content)
    return path
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
    await rm(dirname(this.path), { recursive: true, force: true })
  }
}
