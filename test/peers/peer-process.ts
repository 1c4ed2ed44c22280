/** A server as a process that outlives nobody. */

import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

export interface PeerProcessOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

const keptLines = 400

export class PeerProcess {
  /** Resolves when the process has ended, with its exit code or the signal's name. */
  readonly exited: Promise<number | NodeJS.Signals>
  readonly #child: ChildProcess
  readonly #what: string
  readonly #lines: string[] = []
  #ended = false

  /** The kernel kills it when this process dies (PR_SET_PDEATHSIG), also by SIGKILL. Throws nothing: see `exited` and `output`. */
  constructor(argv: readonly string[], options: PeerProcessOptions = {}) {
    this.#what = argv[0]?.split('/').at(-1) ?? ''
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) this.#keepLines(stream)
    this.exited = new Promise((resolve) => {
      const end = (how: number | NodeJS.Signals) => {
        this.#ended = true
        resolve(how)
      }
      this.#child.on('error', (error) => {
        this.#lines.push(error.message)
        end(127)
      })
      this.#child.on('exit', (code, signal) => end(code ?? signal ?? 1))
    })
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  /** The last lines that it wrote, both streams together. */
  get output(): string {
    return this.#lines.join('\n')
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Stops it. A signal only asks for that: this returns when each of its threads stands, so that none of them answers any more. */
  freeze(): void {
    this.signal('SIGSTOP')
    const deadline = Date.now() + 5_000
    while (!this.#stands()) {
      if (Date.now() > deadline) throw new Error(`${this.#what} does not stop`)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }

  thaw(): void {
    this.signal('SIGCONT')
  }

  /** `T` is the third field of stat(5) in proc(5), behind a name that may hold anything but ends with the last bracket. */
  #stands(): boolean {
    const tasks = `/proc/${this.pid}/task`
    return readdirSync(tasks).every((task) => readFileSync(`${tasks}/${task}/stat`, 'latin1').split(') ').at(-1)?.startsWith('T'))
  }

  /** Asks it to end, and kills it when it has not after `patience` milliseconds. */
  async stop(patience = 5_000): Promise<void> {
    if (this.#ended) return
    this.signal('SIGCONT')
    this.signal('SIGTERM')
    const timer = setTimeout(() => this.signal('SIGKILL'), patience)
    await this.exited
    clearTimeout(timer)
  }

  async kill(): Promise<void> {
    if (!this.#ended) this.signal('SIGKILL')
    await this.exited
  }

  /** Asks `ready` every few milliseconds until it says yes. Throws with the process's last words when it ended, or after `patience`. */
  async until(ready: () => Promise<boolean>, what: string, patience = 20_000): Promise<void> {
    const deadline = Date.now() + patience
    while (!(await ready().catch(() => false))) {
      if (this.#ended || Date.now() > deadline) {
        const how = this.#ended ? 'ended' : `was not ready after ${patience} ms`
        throw new Error(`${this.#what} ${how} (awaited: ${what}); it said:\n${this.#lines.slice(-15).join('\n')}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  #keepLines(stream: NodeJS.ReadableStream | null): void {
    let rest = ''
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      this.#lines.push(...lines)
      this.#lines.splice(0, Math.max(0, this.#lines.length - keptLines))
    })
  }
}
