import type { Metrics } from '../admin/metrics.ts'
import type { Logger } from '../log.ts'
import type { Change, Plan, TableChange } from '../model/change.ts'
import type { DesiredState } from '../model/desired-state.ts'
import { destinationKey } from '../model/destination.ts'
import { isRoadName } from '../model/probe-road.ts'
import { serviceKey } from '../model/virtual-service.ts'
import type { InOrderReport, InOrderSink } from '../sinks/in-order.ts'
import { destinationText, serviceText } from '../sinks/ipvs/attributes.ts'
import type { IpvsSink } from '../sinks/ipvs/ipvs-sink.ts'
import type { PassReport } from '../sinks/sink.ts'
import type { KernelSinks } from './sinks.ts'

/** What a pass would do, in words and in numbers. */
interface Would {
  /** By what would become of what: that is the same change whatever the cause is called, which is another one in the pass that follows. */
  readonly told: ReadonlyMap<string, Told>
  readonly counts: Readonly<Record<string, number>>
}

/**
 * A line of the log: `web 10.0.1.1:8080: absent -> weight 5, nat (discovery: …)`, in the words of the transitions of a daemon that writes; but weights are
 * the kernel's, for those of another balancer know nothing of what slow_start multiplies ours by.
 */
interface Told {
  readonly line: string
  readonly detail: object
}

const KINDS = [
  'add-service',
  'edit-service',
  'delete-service',
  'add-destination',
  'edit-destination',
  'delete-destination',
  'set-timeouts',
  'start-sync-daemon',
  'stop-sync-daemon',
] as const

/**
 * An IPVS sink that reads and writes nothing: its passes plan, and tell what they would have done. The log has a line when a
 * change begins to be wanted and one when it no longer is, because somebody else made it or because it is not needed any more;
 * metrics have the number of changes that a pass would make now.
 */
export class ShadowSink implements IpvsSink {
  readonly name = 'ipvs'
  readonly #sink: IpvsSink
  readonly #logger: Pick<Logger, 'info'>
  readonly #metrics: Pick<Metrics, 'shadowPlan'>
  #before: ReadonlyMap<string, Told> = new Map()
  #foreign: Plan['foreign'] = []
  #previous: DesiredState | undefined

  /** `sink` is asked for plans and tables alone. */
  constructor(sink: IpvsSink, { logger, metrics }: { logger: Pick<Logger, 'info'>; metrics: Pick<Metrics, 'shadowPlan'> }) {
    this.#sink = sink
    this.#logger = logger
    this.#metrics = metrics
  }

  async reconcile(desired: DesiredState, _: 'changes' | 'full', now: number): Promise<PassReport> {
    const plan = await this.#sink.planOnly(desired, { now, ...(this.#previous !== undefined && { previous: this.#previous }) })
    this.#previous = desired
    this.#foreign = plan.foreign
    const { told, counts } = wouldOf(plan)
    for (const [change, { line, detail }] of told) if (!this.#before.has(change)) this.#logger.info(detail, `would: ${line}`)
    for (const [change, { line, detail }] of this.#before)
      if (!told.has(change)) this.#logger.info(detail, `would no longer: ${line}`)
    this.#before = new Map([...told].map(([change, now]) => [change, this.#before.get(change) ?? now]))
    this.#metrics.shadowPlan(counts)
    return this.#nothingDone()
  }

  planOnly(...args: Parameters<IpvsSink['planOnly']>): Promise<Plan> {
    return this.#sink.planOnly(...args)
  }

  lastTable(): ReturnType<IpvsSink['lastTable']> {
    return this.#sink.lastTable()
  }

  currentTable(): ReturnType<IpvsSink['currentTable']> {
    return this.#sink.currentTable()
  }

  draining(): ReturnType<IpvsSink['draining']> {
    return this.#sink.draining()
  }

  readTable(...args: Parameters<IpvsSink['readTable']>): ReturnType<IpvsSink['readTable']> {
    return this.#sink.readTable(...args)
  }

  /** Nothing is written that anybody waits for. */
  givenWay(): undefined {
    return undefined
  }

  holds(...args: Parameters<IpvsSink['holds']>): boolean {
    return this.#sink.holds(...args)
  }

  foreign(): Plan['foreign'] {
    return this.#foreign
  }

  async exit(): Promise<PassReport> {
    return this.#nothingDone()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sink[Symbol.asyncDispose]()
  }

  #nothingDone(): PassReport {
    return { applied: {}, failed: [], driftRepaired: 0, foreign: this.#foreign.length, draining: 0 }
  }
}

/** The shadow in the place of all sinks: source NAT and addresses are not opened, nor is told what they would do. */
export function shadowSinks(table: IpvsSink): KernelSinks {
  const told = async (work: () => Promise<PassReport>): Promise<InOrderReport> => {
    const began = performance.now()
    const report = await work()
    return { ...report, parts: [{ sink: table.name, ok: true, report, seconds: (performance.now() - began) / 1000 }] }
  }
  const sink: InOrderSink = {
    name: table.name,
    reconcile: (...pass) => told(() => table.reconcile(...pass)),
    exit: (...end) => told(() => table.exit(...end)),
    settled: async () => {},
    onDisturbed: () => () => undefined,
    // The table belongs to whoever handed it in.
    [Symbol.asyncDispose]: async () => undefined,
  }
  return { sink, translations: async () => new Map(), addresses: () => undefined, [Symbol.asyncDispose]: async () => undefined }
}

/** Services for probes alone are not told: a shadow makes none. */
function wouldOf({ changes, tableChanges }: Plan): Would {
  const counts: Record<string, number> = Object.fromEntries(KINDS.map((kind) => [kind, 0]))
  const told = new Map<string, Told>()
  for (const change of changes) {
    if (isRoadName(change.name)) continue
    counts[change.kind] = (counts[change.kind] ?? 0) + 1
    const [what, why] = [`${objectOf(change)}: ${turnOf(change)}`, whyOf(change)]
    told.set(what + why, { line: `${what} (${change.cause}${why})`, detail: detailOf(change) })
  }
  for (const change of tableChanges) {
    counts[change.kind] = (counts[change.kind] ?? 0) + 1
    const line = tableLine(change)
    told.set(line, { line, detail: { kind: change.kind } })
  }
  return { told, counts }
}

function detailOf(change: Change): object {
  return { kind: change.kind, service: change.name, vip: serviceKey(change.service), cause: change.cause }
}

function whyOf(change: Change): string {
  return 'reasons' in change && change.reasons.length > 0 ? `: ${change.reasons.join(', because ')}` : ''
}

function objectOf(change: Change): string {
  if (change.kind === 'add-destination' || change.kind === 'edit-destination')
    return `${change.name} ${destinationKey(change.after)}`
  return change.kind === 'delete-destination' ? `${change.name} ${destinationKey(change.before)}` : change.name
}

function turnOf(change: Change): string {
  switch (change.kind) {
    case 'add-service':
      return `absent -> ${serviceText(change.after)}`
    case 'edit-service':
      return `${serviceText(change.before)} -> ${serviceText(change.after)}`
    case 'delete-service':
      return `${serviceText(change.before)} -> absent`
    case 'add-destination':
      return `absent -> ${destinationText(change.after, true)}`
    case 'edit-destination':
      return `${destinationText(change.before, true)} -> ${destinationText(change.after, true)}`
    case 'delete-destination':
      return `${destinationText(change.before, true)} -> absent`
  }
}

function tableLine(change: TableChange): string {
  switch (change.kind) {
    case 'set-timeouts': {
      const text = ({ tcp, tcpFin, udp }: (typeof change)['after']) => `tcp ${tcp}s, tcp fin ${tcpFin}s, udp ${udp}s`
      return `timeouts: ${text(change.before)} -> ${text(change.after)}`
    }
    case 'start-sync-daemon':
      return `sync daemon: absent -> ${change.after.role} on ${change.after.interface}`
    case 'stop-sync-daemon':
      return `sync daemon: ${change.before.role} on ${change.before.interface} -> absent`
  }
}
