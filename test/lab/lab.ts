/**
 * The lab: a Linux kernel with IPVS that tests may do anything to. `openLab` starts one, `attachLab` joins one that runs.
 */

import { createHash } from 'node:crypto'
import { startBroker } from './broker.ts'
import { type BundleOptions, bundle } from './bundle.ts'
import { Connection } from './connection.ts'
import { guestScripts } from './init-script.ts'
import { LabError } from './lab-error.ts'
import { type ExitStatus, LabProcess, type SpawnOptions } from './process.ts'
import type { LabMode } from './protocol.ts'
import { sweepDeadRuns } from './run-dir.ts'
import { checkout, ownKernelHasIpvs, startAgent } from './start-agent.ts'

export { LabError } from './lab-error.ts'
export { type ExitStatus, LabProcess, type SpawnOptions } from './process.ts'
export type { LabMode } from './protocol.ts'
export { checkout } from './start-agent.ts'

export interface LabOptions {
  /** Default: `LAB_MODE`, else the own kernel if it has ip_vs, else a virtual machine. */
  readonly mode?: LabMode
  /** Kernel series of the virtual machine, such as `6.12`. Default: `LAB_KERNEL`, else this Debian release's own. */
  readonly kernel?: string
  /** Memory of the virtual machine. Default: `LAB_MEMORY`, else 2048. */
  readonly memoryMiB?: number
  /** Processors of the virtual machine. Default: `LAB_CPUS`, else 2. Emulated on a busy machine, one is quicker. */
  readonly cpus?: number
  /** How long the start may take, in milliseconds, downloads not counted. Default 120,000: a loaded machine emulates slowly. */
  readonly startTimeoutMs?: number
}

export interface RunOptions extends SpawnOptions {
  /** The command is killed and the run fails after this long. Default 60,000 ms. */
  readonly timeoutMs?: number
}

export interface RunResult extends ExitStatus {
  readonly stdout: string
  readonly stderr: string
}

export interface ScriptOptions extends RunOptions, BundleOptions {
  readonly args?: readonly string[]
  /** Options for node itself, before the script. */
  readonly nodeOptions?: readonly string[]
}

/** An argument vector, or a line for the shell. */
export type Command = string | readonly string[]

const toArgv = (command: Command): readonly string[] => (typeof command === 'string' ? ['sh', '-c', command] : command)

/** For messages: the whole of a short command, the head of a long one. */
const brief = (command: Command): string => {
  const text = typeof command === 'string' ? command : command.join(' ')
  return text.length <= 120 ? text : `${text.slice(0, 120)}…`
}

export class Lab {
  /** What `attachLab` takes, for other processes. */
  readonly socketPath: string
  readonly #connection: Connection
  readonly #stop: () => Promise<void>
  readonly #scripts = new Map<string, Promise<string>>()

  constructor(connection: Connection, socketPath: string, stop: () => Promise<void>) {
    this.#connection = connection
    this.socketPath = socketPath
    this.#stop = stop
  }

  get mode(): LabMode {
    return this.#connection.hello.mode
  }

  /** The kernel's release, as `uname -r` says it. */
  get kernel(): string {
    return this.#connection.hello.kernel
  }

  /** The console's log, on the host; gone when the lab is closed. */
  get consolePath(): string {
    return this.#connection.hello.consolePath
  }

  /** Starts a command and follows it. */
  spawn(command: Command, options: SpawnOptions = {}): LabProcess {
    return new LabProcess(this.#connection, toArgv(command), options)
  }

  /** Runs a command to its end, whatever its exit code. */
  async run(command: Command, options: RunOptions = {}): Promise<RunResult> {
    return this.#finish(this.spawn(command, options), options.timeoutMs ?? 60_000, brief(command))
  }

  /** Runs a command that must succeed; its standard output. Throws a LabError with its last words otherwise. */
  async check(command: Command, options: RunOptions = {}): Promise<string> {
    const result = await this.run(command, options)
    if (result.code === 0) return result.stdout
    const words = (result.stderr.trim() || result.stdout.trim()).split('\n').slice(-5).join(' | ')
    throw new LabError(`'${brief(command)}' ended with ${result.signal ?? result.code} in the lab: ${words}`)
  }

  /** Puts a file into the lab (never into the checkout), whole or not at all. */
  async writeFile(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
    await this.#connection.ask({ op: 'write', id: this.#connection.newId(), path, mode }, Buffer.from(content))
  }

  async readFile(path: string): Promise<Buffer> {
    return this.#connection.ask({ op: 'read', id: this.#connection.newId(), path })
  }

  /**
   * Bundles a TypeScript file of the checkout and puts it into the lab; the path there, for node. The same content is sent
   * once. koffi is found from there.
   */
  async installScript(entry: string, options: BundleOptions = {}): Promise<string> {
    const content = await bundle(entry, options)
    const path = `${guestScripts}/${createHash('sha256').update(content).digest('hex').slice(0, 16)}.mjs`
    let installed = this.#scripts.get(path)
    if (installed === undefined) {
      installed = this.writeFile(path, content).then(() => path)
      this.#scripts.set(path, installed)
    }
    return installed
  }

  /** Starts a TypeScript file with the lab's Node. */
  async spawnScript(entry: string, options: Omit<ScriptOptions, 'timeoutMs'> = {}): Promise<LabProcess> {
    const path = await this.installScript(entry, options)
    return this.spawn(['node', ...(options.nodeOptions ?? []), path, ...(options.args ?? [])], options)
  }

  /** Runs a TypeScript file with the lab's Node to its end. */
  async runScript(entry: string, options: ScriptOptions = {}): Promise<RunResult> {
    return this.#finish(await this.spawnScript(entry, options), options.timeoutMs ?? 60_000, entry)
  }

  /** Ends the lab if this call started it, else only leaves it. What this client had running is killed. */
  async close(): Promise<void> {
    await this.#connection.close()
    await this.#stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #finish(process: LabProcess, timeoutMs: number, what: string): Promise<RunResult> {
    let late = false
    const timer = setTimeout(() => {
      late = true
      process.kill('SIGKILL')
    }, timeoutMs)
    try {
      const status = await process.exited
      const { stdout, stderr } = process
      if (late)
        throw new LabError(
          `'${what}' took longer than ${timeoutMs / 1000} s in the lab; it said: ${(stdout + stderr).slice(-500)}`,
        )
      return { ...status, stdout, stderr }
    } finally {
      clearTimeout(timer)
    }
  }
}

async function chooseMode(options: LabOptions): Promise<LabMode> {
  const wanted = options.mode ?? process.env['LAB_MODE']
  if (wanted === 'vm' || wanted === 'host') return wanted
  if (wanted !== undefined && wanted !== '') throw new LabError(`LAB_MODE is '${wanted}': write vm or host, or leave it unset`)
  const kernelWanted = options.kernel ?? process.env['LAB_KERNEL']
  return !kernelWanted && (await ownKernelHasIpvs()) ? 'host' : 'vm'
}

/** Starts a lab of its own. Other processes may join it through its `socketPath`. */
export async function openLab(options: LabOptions = {}): Promise<Lab> {
  sweepDeadRuns()
  const mode = await chooseMode(options)
  const agent = await startAgent({
    mode,
    kernel: options.kernel ?? (process.env['LAB_KERNEL'] || undefined),
    memoryMiB: options.memoryMiB ?? (Number(process.env['LAB_MEMORY']) || 2048),
    cpus: options.cpus ?? (Number(process.env['LAB_CPUS']) || 2),
    startTimeoutMs: options.startTimeoutMs ?? 120_000,
  })
  const broker = await startBroker(agent, mode)
  const connection = await Connection.open(broker.socketPath)
  return new Lab(connection, broker.socketPath, async () => {
    broker.close()
    await agent.stop()
  })
}

/** Joins a lab that runs. */
export async function attachLab(socketPath: string): Promise<Lab> {
  return new Lab(await Connection.open(socketPath), socketPath, async () => undefined)
}

/** A file of the checkout, by its path in it. */
export const inCheckout = (path: string): string => `${checkout}/${path}`
