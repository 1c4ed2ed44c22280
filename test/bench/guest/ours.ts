/** Pointsman's own road into the kernel, in a process that lives as long as a daemon does. */

import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { openIpvsKernel } from '../../../src/kernel/for-daemon.ts'
import type { IpvsKernel } from '../../../src/kernel/for-sinks.ts'
import type { DesiredState } from '../../../src/model/desired-state.ts'
import { createIpvsSink, type IpvsSink } from '../../../src/sinks/ipvs/ipvs-sink.ts'
import { openOwnership } from '../../../src/store/ownership.ts'
import { commandsFor, desiredState, reweighted, weightCommand } from '../own-tables.ts'
import { objectsIn, type Shape, WEIGHT } from '../shape.ts'

const TICK = 1

export class Ours {
  readonly #kernel: IpvsKernel
  #shape: Shape = { services: 0, backends: 0, scheduler: 'wlc' }
  #desired: DesiredState = desiredState(this.#shape)
  #sink: IpvsSink | undefined
  #weight = WEIGHT
  readonly #delay = monitorEventLoopDelay({ resolution: TICK })

  private constructor(kernel: IpvsKernel) {
    this.#kernel = kernel
  }

  /** `namespace`: file of a network namespace; this process's own where it is left out. */
  static async open(namespace: string | undefined): Promise<Ours> {
    const netns = namespace === undefined ? {} : { netnsPath: namespace }
    return new Ours(await openIpvsKernel({ workerUrl: new URL(import.meta.url), deadlineMs: 120_000, ...netns }))
  }

  /** What the conductor may call. */
  offer() {
    return {
      load: async (shape: Shape) => {
        this.#shape = shape
        this.#desired = desiredState(shape)
        this.#weight = WEIGHT
      },
      /** Finds the family again after the module was loaded anew. */
      find: async () => {
        await this.#kernel.info()
      },
      write: async () => this.#write(),
      /** Everything that a first pass needs and that is not part of it. */
      prepare: async () => this.#prepare(),
      pass: async () => this.#firstPass(),
      resync: async () => this.#resync(),
      read: async () => {
        const began = performance.now()
        await this.#kernel.readTable()
        return performance.now() - began
      },
      change: async (count: number) => this.#each(count, () => this.#change()),
      writeChange: async (count: number) => this.#each(count, () => this.#writeChange()),
      watch: async () => {
        this.#delay.enable()
        // The first reading of a fresh watch is the time since it was last asked.
        await new Promise((resolve) => setTimeout(resolve, 20 * TICK))
        this.#delay.reset()
      },
      /** Milliseconds of the longest stretch since `watch` or the last answer. */
      blocked: async () => {
        const longest = this.#delay.max / 1e6 - TICK
        this.#delay.reset()
        return Math.max(0, longest)
      },
      unwatch: async () => {
        this.#delay.disable()
      },
    }
  }

  async #write(): Promise<number> {
    const commands = commandsFor(this.#shape)
    const began = performance.now()
    const { failures } = await this.#kernel.write(commands)
    const milliseconds = performance.now() - began
    if (failures.length > 0) throw new Error(`the kernel refused ${failures.length} commands: ${JSON.stringify(failures[0])}`)
    return milliseconds
  }

  async #prepare(): Promise<void> {
    const directory = mkdtempSync(join(tmpdir(), 'bench-state-'))
    const ownership = await openOwnership({ directory })
    this.#sink = createIpvsSink({ kernel: this.#kernel, ownership })
    this.#weight = WEIGHT
    this.#desired = desiredState(this.#shape)
  }

  async #firstPass(): Promise<number> {
    const began = performance.now()
    const report = await this.#requiredSink().reconcile(this.#desired, 'full', Date.now())
    const milliseconds = performance.now() - began
    const applied = Object.values(report.applied).reduce((sum, count) => sum + count, 0)
    if (applied !== objectsIn(this.#shape)) throw new Error(`a first pass made ${applied} of ${objectsIn(this.#shape)} objects`)
    return milliseconds
  }

  async #resync(): Promise<number> {
    const began = performance.now()
    const report = await this.#requiredSink().reconcile(this.#desired, 'full', Date.now())
    const milliseconds = performance.now() - began
    if (Object.keys(report.applied).length > 0) throw new Error(`a resync wrote ${JSON.stringify(report.applied)}`)
    return milliseconds
  }

  async #change(): Promise<number> {
    this.#weight = this.#weight === WEIGHT ? WEIGHT + 1 : WEIGHT
    this.#desired = reweighted(this.#desired, this.#shape, 0, 0, this.#weight)
    const began = performance.now()
    const report = await this.#requiredSink().reconcile(this.#desired, 'changes', Date.now())
    const milliseconds = performance.now() - began
    if (report.applied['edit-destination'] !== 1) throw new Error(`a change wrote ${JSON.stringify(report.applied)}`)
    return milliseconds
  }

  async #writeChange(): Promise<number> {
    // The sink would take this for another program's doing: it ends with the weight that the sink knows.
    const other = this.#weight + 2
    const began = performance.now()
    await this.#kernel.write([weightCommand(this.#shape, other)])
    const milliseconds = performance.now() - began
    await this.#kernel.write([weightCommand(this.#shape, this.#weight)])
    return milliseconds
  }

  async #each(count: number, work: () => Promise<number>): Promise<number[]> {
    const milliseconds: number[] = []
    for (let done = 0; done < count; done++) milliseconds.push(await work())
    return milliseconds
  }

  #requiredSink(): IpvsSink {
    if (this.#sink === undefined) throw new Error('no first pass was prepared')
    return this.#sink
  }
}

export type OursOffer = ReturnType<Ours['offer']>
