import type { ConntrackKernel, IptablesKernel, NftablesKernel } from '../../kernel/for-sinks.ts'
import type { Port } from '../../model/address.ts'
import type { DesiredState } from '../../model/desired-state.ts'
import type { DestinationKey } from '../../model/destination.ts'
import type { IpvsTable } from '../../model/ipvs-table.ts'
import type { PortRange } from '../../model/source-nat.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import { Turns } from '../../turns.ts'
import type { SinkLog } from '../ipvs/transition.ts'
import { type HalfReport, joinedHalves } from '../reports.ts'
import type { ObjectFailure } from '../sink.ts'
import { ConnectionCounts } from './connection-counts.ts'
import { IptablesTable } from './iptables-table.ts'
import { SnatMemory } from './memory.ts'
import { NftTable } from './nft-table.ts'
import { driftOf, isNone, wantsTranslation } from './plan.ts'
import { complaintOf, DEFAULT_PORTS, type TakenPorts, usablePorts, virtualPorts } from './port-range.ts'
import { SnatPass } from './snat-pass.ts'
import { NO_TABLE } from './table-image.ts'
import { TableWatch } from './table-watch.ts'
import type { TranslationTable } from './translation-table.ts'

/** What one half of a pass of the source NAT did. */
export interface SnatReport {
  /**
   * By kind: `add-table`, `rebuild-table`, `write-rules`, `add-element`, `edit-element`, `delete-element`, and `delete-connection` for entries of the
   * connection table that were never translated.
   */
  readonly applied: Readonly<Record<string, number>>
  /** Objects are services, the table by its name, and `conntrack`. */
  readonly failed: readonly ObjectFailure[]
  readonly driftRepaired: number
  /** Services that want source NAT and whose translation is not confirmed to be in the kernel: they must not be opened. */
  readonly unconfirmed: ReadonlySet<ServiceKey>
  /** As in PassReport. */
  readonly wakeAt?: number
}

/** What IPVS still holds of ours, so that a flow that lives keeps its translation. */
export interface StillServed {
  service(key: ServiceKey): boolean
  /** For services by firewall mark, whose translation hangs on their destinations. */
  destination(service: ServiceKey, destination: DestinationKey): boolean
}

/** Source NAT of services by NAT forwarding, in a table of our own. `open` comes before the IPVS table is written, `close` after it. */
export interface SnatSink extends AsyncDisposable {
  readonly name: 'snat'
  /**
   * Adds and alters, takes nothing away. `full` reads the kernel, repairs and counts drift. Where nothing can be done (nft missing, no
   * permission, stuck) the report says so, and every service whose translation is not known to be there is unconfirmed.
   */
  open(desired: DesiredState, scope: 'changes' | 'full', now: number): Promise<SnatReport>
  /** Takes away what neither the desired state nor IPVS has any more; an empty table stays. */
  close(desired: DesiredState, still: StillServed, now: number): Promise<SnatReport>
  /** Everything of ours out of the kernel, which may end the translation of connections that live. Rejects where that fails. */
  remove(): Promise<void>
  /** Called when somebody changed the table so that a full pass is due; what was missing is there again by then, where it may be repaired. Returns the end of it. */
  onDisturbed(listener: () => void): () => void
  /** Resolves once nothing is being written that goes on beside the passes. */
  settled(): Promise<void>
  /** Translated connections of each service since this process first saw its translation, as of the last reading. Never falls while it is there. */
  connections(): ReadonlyMap<ServiceKey, bigint>
  /** The same, read now. Where no translation is in the table nothing is read. */
  readConnections(): Promise<ReadonlyMap<ServiceKey, bigint>>
}

export interface SnatSinkOptions {
  readonly kernel: NftablesKernel
  /** Without it connections that were tried before their translation was there stay broken until they end. */
  readonly conntrack?: Pick<ConntrackKernel, 'deleteUntranslated'>
  /** What IPVS holds, of whomever: connections of other services by one of our backends are left alone. Absent: only those of the desired state are. */
  readonly inKernel?: () => IpvsTable
  /** Tells instances in one network namespace apart: the table is `pointsman`, with a name `pointsman-NAME`. */
  readonly instance?: string
  /** Ports that translated connections come from; 32768–60999 by default. */
  readonly ports?: PortRange
  /** Ports that the director itself needs, asked at full passes. Those of virtual services are kept free anyway. */
  readonly reservedPorts?: () => readonly Port[]
  /** Whether anything may be written between passes; absent: it may. */
  readonly mayRepair?: () => boolean
  readonly log?: SinkLog
  /** 0 up to 1, for the jitter of retries; Math.random by default. */
  readonly random?: () => number
}

export function createSnatSink(options: SnatSinkOptions): SnatSink {
  return new TableSnatSink(new NftTable(options.kernel, tableName(options)), options)
}

/** The same by iptables, one rule for each service, where nftables cannot be had. */
export function createIptablesSnatSink(options: Omit<SnatSinkOptions, 'kernel'> & { readonly kernel: IptablesKernel }): SnatSink {
  return new TableSnatSink(new IptablesTable(options.kernel, tableName(options).toUpperCase()), options)
}

const NOTHING_DONE: HalfReport = { applied: {}, failed: [], driftRepaired: 0 }

function tableName({ instance }: Pick<SnatSinkOptions, 'instance'>): string {
  return instance === undefined ? 'pointsman' : `pointsman-${instance}`
}

class TableSnatSink implements SnatSink {
  readonly name = 'snat'
  readonly #table: TranslationTable
  readonly #options: Omit<SnatSinkOptions, 'kernel'>
  readonly #memory: SnatMemory
  readonly #counts = new ConnectionCounts()
  readonly #listeners = new Set<() => void>()
  readonly #watch: TableWatch
  readonly #turns = new Turns()
  /** Of the last pass: what it asked for is put back between passes, and what fails is not tried again before the next. */
  #last: { readonly desired: DesiredState; readonly now: number } | undefined
  /** What was done between two passes. */
  #meanwhile: HalfReport = NOTHING_DONE
  /** Ports of the director, as last asked. */
  #reserved: readonly Port[] = []
  #ports: { readonly desired: DesiredState; readonly range: PortRange } | undefined
  /** What was said last of the ports. */
  #complaint: string | undefined

  constructor(table: TranslationTable, options: Omit<SnatSinkOptions, 'kernel'>) {
    this.#table = table
    this.#options = options
    this.#memory = new SnatMemory(options.random ?? Math.random)
    this.#watch = new TableWatch(() => this.#turns.take(() => this.#repair()))
  }

  open(desired: DesiredState, scope: 'changes' | 'full', now: number): Promise<SnatReport> {
    return this.#turns.take(async () => {
      if (scope === 'full' || this.#last === undefined) this.#askReserved()
      this.#last = { desired, now }
      const report = await this.#pass(desired, now).open(scope)
      const { believed } = this.#memory
      this.#watch.follow(believed === undefined || believed.state === 'absent' ? undefined : this.#table)
      const { applied, driftRepaired } = joinedHalves([this.#meanwhile, report])
      this.#meanwhile = NOTHING_DONE
      return { ...report, applied, driftRepaired }
    })
  }

  close(desired: DesiredState, still: StillServed, now: number): Promise<SnatReport> {
    return this.#turns.take(() => this.#pass(desired, now).close(still))
  }

  remove(): Promise<void> {
    return this.#turns.take(async () => {
      if (this.#memory.believed?.state === 'absent' && !this.#memory.unsure) return
      await this.#table.remove()
      this.#memory.believed = NO_TABLE
      this.#memory.unsure = false
      this.#watch.follow(undefined)
    })
  }

  onDisturbed(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async settled(): Promise<void> {
    await this.#turns.over()
  }

  connections(): ReadonlyMap<ServiceKey, bigint> {
    return this.#counts.totals()
  }

  readConnections(): Promise<ReadonlyMap<ServiceKey, bigint>> {
    return this.#turns.take(async () => {
      if ((this.#memory.believed?.held.size ?? 0) > 0) await this.#lookAfter()
      return this.#counts.totals()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch.end()
    await this.#turns.over()
  }

  #pass(desired: DesiredState, now: number): SnatPass {
    const { conntrack, log, inKernel } = this.#options
    const tools = { table: this.#table, conntrack, inKernel, memory: this.#memory, counts: this.#counts, log }
    return new SnatPass(tools, desired, this.#portsFor(desired), now)
  }

  #askReserved(): void {
    this.#reserved = this.#options.reservedPorts?.() ?? []
    this.#ports = undefined
  }

  /** Both halves of a pass ask for the same state. */
  #portsFor(desired: DesiredState): PortRange {
    const { ports = DEFAULT_PORTS } = this.#options
    if (this.#ports?.desired !== desired) {
      const taken = { virtual: virtualPorts(desired), reserved: this.#reserved }
      this.#ports = { desired, range: usablePorts(ports, taken) }
      this.#complainOf(this.#ports, ports, taken)
    }
    return this.#ports.range
  }

  /** Once for as long as it is so. */
  #complainOf({ desired, range }: { desired: DesiredState; range: PortRange }, ports: PortRange, taken: TakenPorts): void {
    const complaint = wantsTranslation(desired) ? complaintOf(ports, range, taken) : undefined
    if (complaint !== undefined && complaint !== this.#complaint) this.#options.log?.warn({ ports: range }, complaint)
    this.#complaint = complaint
  }

  /** Reads, and tells whether the table is otherwise than we left it. What is believed stays: the full pass that follows counts the drift. */
  async #lookAfter(): Promise<void> {
    const { believed, unsure } = this.#memory
    if (believed?.ports === undefined || unsure) return
    const image = await this.#table.read(believed.ports)
    this.#counts.observe(image)
    if (!isNone(driftOf(believed, image))) this.#tellDisturbed()
  }

  /**
   * Puts back what is missing at once, for what a connection sends meanwhile is lost; the full pass that is asked for looks at the rest and tells what was
   * done.
   */
  async #repair(): Promise<void> {
    const { believed, unsure } = this.#memory
    if (this.#last === undefined || believed?.ports === undefined || unsure) return
    const { desired, now } = this.#last
    let isDisturbed = true
    try {
      const image = await this.#table.read(believed.ports)
      isDisturbed = !isNone(driftOf(believed, image))
      // What is wrong is found by the next pass that may write.
      if (!isDisturbed || this.#options.mayRepair?.() === false) return this.#counts.observe(image)
      const { applied, driftRepaired } = await this.#pass(desired, now).repair(image)
      this.#meanwhile = joinedHalves([this.#meanwhile, { ...NOTHING_DONE, applied, driftRepaired }])
    } finally {
      if (isDisturbed) this.#tellDisturbed()
    }
  }

  #tellDisturbed(): void {
    for (const listener of this.#listeners) listener()
  }
}
