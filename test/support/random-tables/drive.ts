import type { IpvsCommand, IpvsKernel, WriteReport } from '../../../src/kernel/for-sinks.ts'
import type { DesiredService, DesiredState } from '../../../src/model/desired-state.ts'
import { destinationKey } from '../../../src/model/destination.ts'
import { serviceFamily, serviceKey } from '../../../src/model/virtual-service.ts'
import { createIpvsSink } from '../../../src/sinks/ipvs/ipvs-sink.ts'
import type { OwnershipStore } from '../../../src/store/ownership.ts'
import { DRAIN, type ForeignMove, foreignAddress, type RandomTable } from './generate.ts'
import { linesOf, TableModel } from './model.ts'

export interface DriveOptions {
  readonly kernel: IpvsKernel
  readonly ownership: OwnershipStore
  readonly tables: readonly RandomTable[]
  /** A second pair of eyes after every table: the differences that it sees between the model and the kernel. */
  readonly witness?: (model: TableModel, index: number) => Promise<readonly string[]>
}

export interface DriveResult {
  readonly tables: number
  /** Writes of the sink, and the fewest that the tables could have taken. */
  readonly writes: number
  readonly fewest: number
  readonly foreignMoves: number
  /** Objects seen in all tables together: a run that has compared nothing shows here. */
  readonly compared: number
  readonly drains: number
  /** One sentence for each table that did not end as wanted; at most ten. */
  readonly faults: readonly string[]
}

/** Drives one table into the next and holds each against the model: its contents, its writes, and that a resync finds nothing. */
export async function driveTables(options: DriveOptions): Promise<DriveResult> {
  const drive = new Drive(options)
  for (const [index, table] of options.tables.entries()) {
    await drive.step(table, index)
    if (drive.faults.length >= 10) break
  }
  return drive.result(options.tables.length)
}

class Drive {
  readonly faults: string[] = []
  readonly #options: DriveOptions
  readonly #model = new TableModel()
  readonly #sink: ReturnType<typeof createIpvsSink>
  readonly #writes: () => number
  #desired: readonly DesiredService[] = []
  #now = 1_000_000
  #fewest = 0
  #foreignMoves = 0
  #compared = 0
  #drains = 0

  constructor(options: DriveOptions) {
    this.#options = options
    const counted = countWrites(options.kernel)
    this.#writes = counted.writes
    this.#sink = createIpvsSink({ kernel: counted.kernel, ownership: options.ownership, random: () => 0.5 })
  }

  async step(table: RandomTable, index: number): Promise<void> {
    const before = this.#writes()
    let fewest = await this.#letOthersMove(table.foreign)
    fewest += this.#model.goTo(table.services)
    this.#desired = table.services
    await this.#passes(table.drainsEnd)
    const writes = this.#writes() - before
    this.#fewest += fewest
    if (writes !== fewest) this.#fault(index, `${writes} writes where ${fewest} do`)
    const resync = await this.#sink.reconcile(this.#state(), 'full', this.#now)
    await this.#compare(index)
    if (this.#writes() !== before + writes) this.#fault(index, `a resync wrote: ${JSON.stringify(resync.applied)}`)
    if (resync.failed.length > 0) this.#fault(index, JSON.stringify(resync.failed))
  }

  result(tables: number): DriveResult {
    return {
      tables,
      writes: this.#writes(),
      fewest: this.#fewest,
      foreignMoves: this.#foreignMoves,
      compared: this.#compared,
      drains: this.#drains,
      faults: this.faults,
    }
  }

  #state(): DesiredState {
    return { services: new Map(this.#desired.map((service) => [serviceKey(service.identity), service])) }
  }

  /** Other programs add services and destinations of their own and take destinations away; a resync tells the sink. */
  async #letOthersMove(moves: readonly ForeignMove[]): Promise<number> {
    const commands = moves.flatMap((move) => this.#move(move) ?? [])
    if (commands.length === 0) return 0
    this.#foreignMoves += commands.length
    const { failures } = await this.#options.kernel.write(commands)
    if (failures.length > 0) throw new Error(`the other program was refused: ${JSON.stringify([commands, failures])}`)
    await this.#sink.reconcile(this.#state(), 'full', this.#now)
    return this.#model.dropDeserted(new Set(this.#desired.map(({ identity }) => serviceKey(identity))))
  }

  #move(move: ForeignMove): IpvsCommand | undefined {
    const key = serviceKey(move.service)
    const held = this.#model.get(key)
    if (move.kind === 'add-service') {
      if (held) return undefined
      const service = {
        identity: move.service,
        scheduler: 'lc',
        flags: { flag1: false, flag2: false, flag3: true },
        onePacket: false,
      }
      this.#model.addForeignService(service)
      return { kind: 'add-service', service }
    }
    const address = foreignAddress(serviceFamily(move.service), move.last)
    const name = destinationKey({ address, port: 99 })
    const known = held?.destinations.has(name) ?? false
    if (!held || known !== (move.kind === 'delete-destination')) return undefined
    const destination = {
      address,
      port: 99,
      forwarding: { method: 'nat' },
      weight: 9,
      upperThreshold: 7,
      lowerThreshold: 3,
    } as const
    if (known) this.#model.deleteForeignDestination(key, name)
    else this.#model.addForeignDestination(key, destination)
    return { kind: move.kind, service: move.service, destination }
  }

  /** As the daemon would: once for the change, then whenever the sink asks, until no drain is left. */
  async #passes(drainsEnd: RandomTable['drainsEnd']): Promise<void> {
    const desired = this.#state()
    this.#now += 1_000
    let report = await this.#sink.reconcile(desired, 'changes', this.#now)
    this.#drains += report.draining
    for (let pass = 0; report.draining > 0 && pass < 5; pass++) {
      this.#now = drainsEnd === 'deadline' ? this.#now + DRAIN : (report.wakeAt ?? this.#now)
      report = await this.#sink.reconcile(desired, 'changes', this.#now)
    }
  }

  async #compare(index: number): Promise<void> {
    const wanted = linesOf(this.#model.table())
    this.#compared += wanted.length
    // The resync has just read it.
    const seen = linesOf(this.#sink.lastTable())
    for (const line of differences(wanted, seen)) this.#fault(index, line)
    for (const line of (await this.#options.witness?.(this.#model, index)) ?? []) this.#fault(index, `witness: ${line}`)
  }

  #fault(index: number, what: string): void {
    if (this.faults.length < 10) this.faults.push(`table ${index}: ${what}`)
  }
}

/** What one list has and the other has not: `- line` is missing, `+ line` is too much. */
export function differences(wanted: readonly string[], seen: readonly string[]): string[] {
  const [want, have] = [new Set(wanted), new Set(seen)]
  return [
    ...wanted.filter((line) => !have.has(line)).map((line) => `- ${line}`),
    ...seen.filter((line) => !want.has(line)).map((line) => `+ ${line}`),
  ]
}

function countWrites(kernel: IpvsKernel): { readonly kernel: IpvsKernel; readonly writes: () => number } {
  let writes = 0
  const write = (commands: readonly IpvsCommand[]): Promise<WriteReport> => {
    writes += commands.length
    return kernel.write(commands)
  }
  return { kernel: forwardTo(kernel, write), writes: () => writes }
}

/** The kernel with another `write`; its methods keep their own `this`. */
function forwardTo(kernel: IpvsKernel, write: IpvsKernel['write']): IpvsKernel {
  return {
    info: () => kernel.info(),
    readTable: (options) => kernel.readTable(options),
    readServices: (services, options) => kernel.readServices(services, options),
    readTimeouts: () => kernel.readTimeouts(),
    readSyncDaemons: () => kernel.readSyncDaemons(),
    write,
    [Symbol.asyncDispose]: () => kernel[Symbol.asyncDispose](),
  }
}
