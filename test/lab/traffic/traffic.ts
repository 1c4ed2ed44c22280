/** Servers and the traffic generator, started from the host. */

import { inCheckout, type Lab, type LabProcess } from '../lab.ts'
import type { Host } from '../topology.ts'
import type { Counts, Flow, GeneratorCommand, GeneratorLine, GeneratorOptions, Report } from './flow.ts'

export type { Counts, Flow, FlowReport, Report } from './flow.ts'

/** Where a server listens: `tcp:10.2.1.2:80`, `udp:fd00::1:53`, `tcp::::80` (all addresses of both families). */
export type Listener = `${'tcp' | 'udp' | 'sctp'}:${string}:${number}`

/** Starts the echo server on a host, by the host's role as its name; resolves when it listens. */
export async function startServer(lab: Lab, host: Host, listeners: readonly Listener[]): Promise<LabProcess> {
  const server = await lab.spawnScript(inCheckout('test/lab/traffic/echo-server.ts'), {
    netns: host.netns,
    args: [host.role, ...listeners],
  })
  await server.waitForLine((line) => line === 'ready', 120_000)
  return server
}

/** TCP and UDP on these ports, on the host's own addresses and those given besides (its virtual addresses). */
export function listenersOn(addresses: readonly string[], ports: readonly number[]): readonly Listener[] {
  return addresses.flatMap((address) => ports.flatMap((port): Listener[] => [`tcp:${address}:${port}`, `udp:${address}:${port}`]))
}

export class Traffic {
  readonly #process: LabProcess
  #latest: readonly (Counts & { readonly id: string })[] = []
  readonly #watchers = new Set<() => void>()

  constructor(process: LabProcess) {
    this.#process = process
    process.onLine((text, stream) => {
      if (stream === 'stderr') return
      const line = JSON.parse(text) as GeneratorLine
      if (line.type !== 'progress') return
      this.#latest = line.flows
      for (const watcher of this.#watchers) watcher()
    })
  }

  /** Counts of a flow, at most a quarter of a second old. */
  counts(flow?: string): Counts {
    const found = flow === undefined ? this.#latest[0] : this.#latest.find(({ id }) => id === flow)
    return found ?? { attempts: 0, successes: 0, failures: 0, servers: {} }
  }

  /** Called with every new count: four times a second. */
  onProgress(watcher: () => void): void {
    this.#watchers.add(watcher)
  }

  /** Resolves when `more` further attempts of the flow (default: the first) have ended. */
  attempts(more: number, flow?: string): Promise<void> {
    return this.until(this.counts(flow).attempts + more, flow)
  }

  /** Resolves when `total` attempts of the flow (default: the first) have ended. */
  async until(total: number, flow?: string): Promise<void> {
    if (this.counts(flow).attempts >= total) return
    await new Promise<void>((resolve, reject) => {
      const watcher = () => {
        if (this.counts(flow).attempts < total) return
        this.#watchers.delete(watcher)
        resolve()
      }
      this.#watchers.add(watcher)
      this.#process.exited.then(
        () => reject(new Error(`the generator ended before ${total} attempts: ${this.#process.stderr}`)),
        reject,
      )
    })
  }

  /** Begins a new phase of the report. Resolves when the generator has done so. */
  async mark(name: string): Promise<void> {
    this.#tell({ do: 'mark', name })
    await this.#line((line) => line.type === 'marked' && line.name === name)
  }

  /** Lets what is open end, and gives the final report. */
  async stop(): Promise<Report> {
    this.#tell({ do: 'stop' })
    const line = await this.#line((candidate) => candidate.type === 'report')
    await this.#process.exited
    return line as GeneratorLine & { type: 'report' }
  }

  async #line(accept: (line: GeneratorLine) => boolean): Promise<GeneratorLine> {
    const isIt = (text: string) => text.startsWith('{') && accept(JSON.parse(text) as GeneratorLine)
    return JSON.parse(await this.#process.waitForLine(isIt, 60_000)) as GeneratorLine
  }

  #tell(command: GeneratorCommand): void {
    this.#process.write(`${JSON.stringify(command)}\n`)
  }
}

/** Starts the generator on a host; resolves when the held connections stand and short ones have begun. */
export async function startTraffic(lab: Lab, host: Host, flows: readonly Flow[], maxSeconds = 240): Promise<Traffic> {
  const options: GeneratorOptions = { flows, maxSeconds }
  const process = await lab.spawnScript(inCheckout('test/lab/traffic/generator.ts'), {
    netns: host.netns,
    args: [JSON.stringify(options)],
    keepInput: true,
  })
  await process.waitForLine((line) => line === '{"type":"holding"}', 120_000)
  return new Traffic(process)
}
