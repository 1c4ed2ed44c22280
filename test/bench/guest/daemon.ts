/** The whole program: `pointsman start`, from its bundle, as a user runs it. */

import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryParts, reporting } from '../memory-parts.ts'
import { YOUNG_GENERATION } from '../node-options.ts'
import { configurationText } from '../own-tables.ts'
import { memoryOf, processorTime } from '../process-facts.ts'
import type { Shape } from '../shape.ts'
import { freshIpvs } from './kernel-module.ts'
import { untilFull } from './peers.ts'

const PORT = 9095
const LONGEST_START = 300_000

export interface DaemonOptions {
  /** The bundle of src/main.ts. */
  readonly program: string
  readonly shape: Shape
  readonly perBackendMetrics?: boolean
  /** The bundle of loop-watch.ts, for `blocked`. */
  readonly watch?: string
  /** Milliseconds. */
  readonly resyncInterval?: number
  /** A folder for its profiles, one a thread, which are there when it has ended. */
  readonly profiles?: string
  /** In place of the shape's own, whose backends are written in it. */
  readonly configuration?: (place: DaemonPlace) => string
}

export interface DaemonPlace {
  readonly stateDirectory: string
  readonly adminPort: number
}

export class Daemon implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #shape: Shape
  readonly #began: number
  readonly #report: string
  readonly #exited: Promise<void>

  constructor({ program, shape, watch, profiles, configuration: text, ...options }: DaemonOptions) {
    const { perBackendMetrics = true, resyncInterval = 30_000 } = options
    const place = { stateDirectory: mkdtempSync(join(tmpdir(), 'bench-state-')), adminPort: PORT }
    const configuration = join(place.stateDirectory, 'pointsman.yaml')
    writeFileSync(configuration, text?.(place) ?? configurationText(shape, { ...place, perBackendMetrics, resyncInterval }))
    this.#report = join(place.stateDirectory, 'report.json')
    this.#shape = shape
    this.#began = performance.now()
    this.#child = fork(program, ['start', '--config', configuration], {
      execArgv: [
        YOUNG_GENERATION,
        ...reporting(this.#report),
        ...(watch === undefined ? [] : ['--import', watch]),
        ...(profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`]),
      ],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#exited = new Promise((resolve) => this.#child.once('exit', () => resolve()))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Milliseconds from the start of the process until the kernel holds the whole table. */
  async full(): Promise<number> {
    await Promise.race([untilFull(this.#shape), this.#exited.then(() => Promise.reject(new Error('the daemon ended')))])
    return performance.now() - this.#began
  }

  /** Waits until the daemon says that it is ready. */
  async ready(): Promise<void> {
    const deadline = performance.now() + LONGEST_START
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${PORT}/readyz`).catch(() => undefined)
      await answer?.body?.cancel()
      if (answer?.status === 200) return
      if (performance.now() > deadline) throw new Error('the daemon was never ready')
      await sleep(50)
    }
  }

  /** One scrape. */
  async metrics(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${PORT}/metrics`)).text()
  }

  /** Milliseconds of one scrape, by another process than this one's own. */
  scrape(): number {
    const began = performance.now()
    const text = execFileSync('curl', ['-sf', `http://127.0.0.1:${PORT}/metrics`], { encoding: 'latin1', maxBuffer: 1 << 28 })
    if (!text.includes('pointsman_service_backends{')) throw new Error('the metrics show no service')
    return performance.now() - began
  }

  /** Megabytes of a field of /proc/PID/status. */
  memory(field: 'VmRSS' | 'VmHWM'): number {
    return memoryOf(this.pid, field)
  }

  /** Megabytes by what they are used for. */
  memoryParts(): Promise<ReadonlyMap<string, number>> {
    return memoryParts(this.pid, this.#report)
  }

  /** Seconds of processor time that it has used, in programs and in the kernel. */
  processorTime(): number {
    return processorTime(this.pid)
  }

  /** Its established TCP connections (IPv4) to a port. */
  connectionsTo(port: number): number {
    const hex = port.toString(16).toUpperCase().padStart(4, '0')
    const established = new RegExp(`^ *\\d+: \\w+:\\w+ \\w+:${hex} 01 .*`, 'gm')
    const rows = readFileSync('/proc/net/tcp', 'latin1').match(established) ?? []
    const inodes = new Set(rows.map((row) => `socket:[${row.trim().split(/ +/)[9]}]`))
    const folder = `/proc/${this.#child.pid}/fd`
    return readdirSync(folder).filter((descriptor) => inodes.has(linkOf(join(folder, descriptor)))).length
  }

  /** Milliseconds of the longest stretch of the main thread since the last call. */
  async blocked(): Promise<number> {
    const answer = new Promise<number>((resolve) => this.#child.once('message', (value) => resolve(Number(value))))
    this.#child.send('longest')
    return answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM')
    await this.#exited
  }
}

/** Empty where the descriptor is closed by now. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

export type Recorder = (
  measure: 'start' | 'memory' | 'memory-part' | 'scrape' | 'blocked',
  subject: string,
  value: number,
) => void

/** From the start of the program to the full table. */
export async function measureStart(program: string, shape: Shape, record: Recorder): Promise<void> {
  freshIpvs()
  await using daemon = new Daemon({ program, shape })
  record('start', 'pointsman start', await daemon.full())
}

/** Memory after several scrapes and resyncs, when everything that a daemon ever does has been done. */
export async function measureMemory(
  program: string,
  shape: Shape,
  perBackendMetrics: boolean,
  scrapes: number,
  record: Recorder,
): Promise<void> {
  freshIpvs()
  const resyncInterval = 2_000
  await using daemon = new Daemon({ program, shape, perBackendMetrics, resyncInterval })
  await daemon.full()
  await daemon.ready()
  const subject = `per-backend series ${perBackendMetrics ? 'on' : 'off'}`
  for (let scrape = 0; scrape < scrapes; scrape++) {
    record('scrape', subject, daemon.scrape())
    await sleep(resyncInterval)
  }
  record('memory', `resident, ${subject}`, daemon.memory('VmRSS'))
  record('memory', `resident at its highest, ${subject}`, daemon.memory('VmHWM'))
  if (!perBackendMetrics) for (const [part, megabytes] of await daemon.memoryParts()) record('memory-part', part, megabytes)
}

/** The main thread of the whole daemon while it repairs, looks and is scraped. */
export async function measureBlocked(program: string, watch: string, shape: Shape, record: Recorder): Promise<void> {
  freshIpvs()
  const resyncInterval = 2_000
  await using daemon = new Daemon({ program, shape, watch, resyncInterval })
  await daemon.full()
  await daemon.ready()
  const settle = () => sleep(3 * resyncInterval)
  await settle()
  await daemon.blocked()
  await settle()
  record('blocked', 'daemon: unchanged resync', await daemon.blocked())
  execFileSync('ipvsadm', ['-C'])
  await untilFull(shape)
  await sleep(500)
  record('blocked', 'daemon: repair of the whole table', await daemon.blocked())
  daemon.scrape()
  await sleep(500)
  record('blocked', 'daemon: scrape', await daemon.blocked())
}
