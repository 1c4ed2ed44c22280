/** The real program in the lab: commands that end, and the daemon. */

import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type ExitStatus, inCheckout, type Lab, LabError, type LabProcess, type RunResult } from '../../lab/lab.ts'
import { MetricsText } from './metrics-text.ts'

let installed: Promise<string> | undefined

/** The program as it is shipped: one file. Only koffi is found beside it. */
function program(lab: Lab): Promise<string> {
  installed ??= install(lab)
  return installed
}

async function install(lab: Lab): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'pointsman-bundle-'))
  try {
    const file = join(directory, 'pointsman.mjs')
    await promisify(execFile)(process.execPath, [inCheckout('tools/bundle.mjs'), file])
    const path = '/run/lab/scripts/pointsman.mjs'
    await lab.writeFile(path, readFileSync(file))
    return path
  } finally {
    rmSync(directory, { recursive: true })
  }
}

export interface CommandOptions {
  /** The network namespace; `director` by default. */
  readonly netns?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** Words in front of node: `setpriv --reuid 65534 ...`. */
  readonly under?: readonly string[]
}

/** Runs `pointsman ARGS...` to its end. */
export async function pointsman(lab: Lab, args: readonly string[], options: CommandOptions = {}): Promise<RunResult> {
  const { netns = 'director', env, input, under = [] } = options
  return lab.run([...under, 'node', await program(lab), ...args], {
    netns,
    timeoutMs: 120_000,
    ...(env === undefined ? {} : { env }),
    ...(input === undefined ? {} : { input }),
  })
}

/** One line of the daemon's log. */
export interface LogLine extends Readonly<Record<string, unknown>> {
  readonly level: string
  readonly msg: string
}

export interface Health {
  readonly code: number
  readonly body: { readonly status: string; readonly reasons?: readonly { readonly reason: string }[] } & Record<string, unknown>
}

export interface DaemonOptions extends CommandOptions {
  /** Written to the file before the start; left out: the file is there already. */
  readonly configuration?: string
  /** Where the configuration lies; `DIRECTORY/pointsman.yaml` by default. */
  readonly configPath?: string
  /** Flags beside `--config`. */
  readonly args?: readonly string[]
  /** Do not wait until the first pass is done. */
  readonly unready?: boolean
}

let started = 0

/** A folder in the lab that no other test has. */
export function freshDirectory(name: string): string {
  started += 1
  return `/run/lab/road/${name}-${process.pid}-${started}`
}

/** What every daemon of these tests has under `global`, with what a test adds. */
export function globalSettings(directory: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { admin: '127.0.0.1:9095', state_dir: `${directory}/state`, resync_interval: '2s', watch_settle: '50ms', ...more }
}

/** Most tests are about the table and have nobody behind it: who is not asked is not found to be down. */
const UNPROBED = { health_check: { enabled: false } }

/** A configuration as text; JSON is YAML, and the guest reads it much faster. Nobody is probed unless `defaults` or a service says so. */
export function configurationText(
  directory: string,
  services: readonly unknown[],
  more: { readonly global?: Readonly<Record<string, unknown>>; readonly defaults?: Readonly<Record<string, unknown>> } = {},
): string {
  const { global = {}, defaults } = more
  return JSON.stringify({ global: globalSettings(directory, global), defaults: { ...UNPROBED, ...defaults }, services }, null, 1)
}

/** `pointsman start`, followed line by line. */
export class Daemon implements AsyncDisposable {
  readonly lab: Lab
  readonly directory: string
  readonly configPath: string
  readonly netns: string
  readonly process: LabProcess
  readonly log: LogLine[] = []
  readonly #listeners = new Set<(line: LogLine) => void>()
  #settledAt = 0

  private constructor(lab: Lab, process: LabProcess, directory: string, configPath: string, netns: string) {
    this.lab = lab
    this.process = process
    this.directory = directory
    this.configPath = configPath
    this.netns = netns
    process.onLine((text, stream) => {
      if (stream === 'stdout' && text.startsWith('{')) this.#take(JSON.parse(text) as LogLine)
    })
  }

  static async start(lab: Lab, directory: string, options: DaemonOptions = {}): Promise<Daemon> {
    const { netns = 'director', env, under = [], args = [], configPath = `${directory}/pointsman.yaml` } = options
    if (options.configuration !== undefined) await lab.writeFile(configPath, options.configuration)
    const command = [...under, 'node', await program(lab), 'start', '--config', configPath, ...args]
    const process = lab.spawn(command, { netns, ...(env === undefined ? {} : { env }) })
    const daemon = new Daemon(lab, process, directory, configPath, netns)
    if (options.unready !== true) await daemon.ready()
    return daemon
  }

  /** The first line, past or future, that `accept` likes. Rejects when the daemon ends or the time is over. */
  waitForLog(accept: (line: LogLine) => boolean, timeoutMs = 30_000, from = 0): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const there = this.log.slice(from).find(accept)
      if (there !== undefined) return resolve(there)
      const fail = (why: string): void => {
        clear()
        reject(new LabError(`${why} before the awaited line of the log; the last ones: ${this.#lastWords()}`))
      }
      const listener = (line: LogLine): void => {
        if (!accept(line)) return
        clear()
        resolve(line)
      }
      const timer = globalThis.setTimeout(() => fail(`${timeoutMs / 1000} s passed`), timeoutMs)
      const clear = (): void => {
        clearTimeout(timer)
        this.#listeners.delete(listener)
      }
      this.#listeners.add(listener)
      this.process.exited.then(
        ({ code, signal }) => fail(`the daemon ended (${signal ?? code})`),
        (error: Error) => fail(error.message),
      )
    })
  }

  /** The first pass is done. */
  async ready(timeoutMs = 90_000): Promise<void> {
    await this.waitForLog(({ msg }) => msg.startsWith('ready: '), timeoutMs)
  }

  /** Log lines so far that a test may complain about. Since it was settled: without those that say that this machine is slow. */
  complaints(since: 'start' | 'settled' = 'start'): LogLine[] {
    const errors = ({ level }: LogLine) => level === 'error' || level === 'fatal'
    if (since === 'start') return this.log.filter(errors)
    return this.log.slice(this.#settledAt).filter((line) => errors(line) && !line.msg.startsWith('The kernel takes long'))
  }

  async metrics(): Promise<MetricsText> {
    const { body } = await this.get('/metrics')
    return new MetricsText(body)
  }

  async health(path: '/healthz' | '/readyz'): Promise<Health> {
    const { code, body } = await this.get(path)
    return { code, body: JSON.parse(body) }
  }

  async get(path: string): Promise<{ readonly code: number; readonly body: string }> {
    const url = `http://127.0.0.1:9095${path}`
    const output = await this.lab.check(['curl', '-s', '--max-time', '20', '-w', '\n%{http_code}', url], { netns: this.netns })
    const end = output.lastIndexOf('\n')
    return { code: Number(output.slice(end + 1)), body: output.slice(0, end) }
  }

  /** Waits until the metrics satisfy the condition; they are read a few times a second. */
  async waitForMetrics(accept: (metrics: MetricsText) => boolean, what: string, timeoutMs = 20_000): Promise<MetricsText> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const metrics = await this.metrics()
      if (accept(metrics)) return metrics
      if (performance.now() > deadline)
        throw new LabError(`${timeoutMs / 1000} s passed before ${what}; the log's end: ${this.#lastWords()}`)
      await setTimeout(200)
    }
  }

  /** The last pass that had something to say left nothing undone: services that waited for their source NAT, which may be late at first, are open. */
  async settled(timeoutMs = 90_000): Promise<void> {
    const isPass = ({ msg }: LogLine) => msg.startsWith('pass: ')
    const last = this.log.findLastIndex(isPass)
    if (last >= 0) await this.waitForLog((line) => isPass(line) && line['failed'] === 0, timeoutMs, last)
    this.#settledAt = this.log.length
  }

  /** Waits until `count` further full passes have ended, so that whatever they would find has been found. */
  async fullPasses(count = 2): Promise<MetricsText> {
    const done = (metrics: MetricsText): number => metrics.sum('pointsman_sink_pass_duration_seconds_count', { scope: 'full' })
    const before = done(await this.metrics())
    return this.waitForMetrics(
      (metrics) => done(metrics) >= before + count,
      `${count} further full passes had ended`,
      count * 20_000,
    )
  }

  /** Replaces the configuration by write and rename. */
  async configure(text: string): Promise<void> {
    await this.lab.writeFile(this.configPath, text)
  }

  /** Replaces the configuration and waits until it is in force. */
  async reconfigure(text: string): Promise<void> {
    const from = this.log.length
    await this.configure(text)
    await this.waitForLog(({ msg }) => msg === 'the new configuration is in force', 30_000, from)
  }

  /** Signals the daemon and waits for its end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', timeoutMs = 60_000): Promise<ExitStatus> {
    this.process.kill(signal)
    return this.ended(timeoutMs)
  }

  /** Waits for an end that comes by itself. */
  async ended(timeoutMs = 60_000): Promise<ExitStatus> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = globalThis.setTimeout(
        () => reject(new LabError(`the daemon lives on after ${timeoutMs / 1000} s: ${this.#lastWords()}`)),
        timeoutMs,
      )
    })
    try {
      return await Promise.race([this.process.exited, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Kills what still runs; a test that cares how the daemon ends has stopped it before. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (process.env['ROAD_LOG'])
      console.log(this.log.map((l) => `${l['time']} ${l.level} ${l.msg}`).join('\n'), this.process.stderr)
    this.process.kill('SIGKILL')
    await this.process.exited.catch(() => undefined)
  }

  #take(line: LogLine): void {
    this.log.push(line)
    for (const listener of [...this.#listeners]) listener(line)
  }

  #lastWords(): string {
    const lines = this.log.slice(-8).map(({ level, msg }) => `${level}: ${msg}`)
    return [...lines, this.process.stderr.trim().slice(-500)].join(' | ')
  }
}
