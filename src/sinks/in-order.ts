import type { DesiredService, DesiredState } from '../model/desired-state.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { AddressSink } from './addresses/address-sink.ts'
import type { FirewallSink, HeldServices } from './firewall/firewall-sink.ts'
import { requireAllowed } from './ipvs/actions.ts'
import type { ExitOptions, IpvsSink, PassOptions } from './ipvs/ipvs-sink.ts'
import { OpenedLater, type SinkToOpen } from './opened-later.ts'
import { Part } from './part.ts'
import { type HalfReport, joinedReports } from './reports.ts'
import type { ObjectFailure, PartOutcome, PassReport, Sink } from './sink.ts'
import type { SnatSink, StillServed } from './snat/snat-sink.ts'
import { Those } from './those.ts'

/** A pass of several sinks: the report of all of them, and what each did, the one that does the most first. */
export interface InOrderReport extends PassReport {
  readonly parts: readonly [PartOutcome, ...PartOutcome[]]
}

/** Filters of the host, source NAT, IPVS and virtual addresses as one sink. */
export interface InOrderSink extends Sink {
  reconcile(desired: DesiredState, scope: 'changes' | 'full', now: number, options?: PassOptions): Promise<InOrderReport>
  /** As IpvsSink.exit; then source NAT, and the addresses last. What IPVS still holds because it is not ours alone keeps them. */
  exit(mode: 'keep' | 'drain' | 'remove', options?: ExitOptions): Promise<InOrderReport>
  /** Called when somebody changed what is ours so that a full pass is due. Returns the end of it. */
  onDisturbed(listener: () => void): () => void
  settled(): Promise<void>
}

export interface InOrderOptions {
  /** Belongs to whoever hands it in. */
  readonly ipvs: IpvsSink
  readonly snat: SinkToOpen<SnatSink>
  readonly addresses: SinkToOpen<AddressSink>
  /** Absent: filters are nobody's business here. `isOn` may change from pass to pass: where it is false what an earlier pass or process did is taken out. */
  readonly firewall?: SinkToOpen<FirewallSink> & { isOn(): boolean }
  /** 0 up to 1, for the jitter of retries; Math.random by default. */
  readonly random?: () => number
  /** Milliseconds for which a pass waits for source NAT and for addresses, each, before it goes on without them; 5,000 by default. */
  readonly patience?: number
}

/**
 * Adding: filters let the service through, a translation is confirmed, then the service is opened in IPVS, then its address is added and announced. Removing: an address that is
 * no longer announced first, then the service, its translation, and its address last. A service whose translation is not confirmed is
 * not opened, for a connection that begins before its translation is there is lost; one that is open already goes on, and by firewall mark, where
 * each destination has a translation of its own, gets no new ones. Whatever fails in one sink stops its own services alone.
 */
export function createSinksInOrder(options: InOrderOptions): InOrderSink {
  return new SinksInOrder(options)
}

/** Long enough for thousands of elements on a slow machine, short enough for a backend that fails elsewhere. */
const PATIENCE = 5_000

const NOTHING_DESIRED: DesiredState = { services: new Map() }

class SinksInOrder implements InOrderSink {
  /** The passes are those of the table; what the others do in them is told apart by `parts`. */
  readonly name = 'ipvs'
  readonly #ipvs: IpvsSink
  readonly #snat: OpenedLater<SnatSink>
  readonly #addresses: OpenedLater<AddressSink>
  readonly #firewall: OpenedLater<FirewallSink> | undefined
  readonly #firewallIsOn: () => boolean
  readonly #held: HeldServices
  readonly #listeners = new Set<() => void>()
  readonly #still: StillServed
  readonly #translated = new Those(({ sourceNat }) => sourceNat !== undefined)
  readonly #all = new Those(() => true)
  readonly #placed = new Those(({ virtualAddress }) => virtualAddress !== undefined)
  /** What sinks did in passes of which there was no report: those that gave way, or were rejected. */
  readonly #untold = new Map<string, PassReport>()
  /** Nothing of ours is in any filter, and nothing is to be. */
  #firewallIsLeft = false

  constructor({ ipvs, snat, addresses, firewall, random = Math.random, patience = PATIENCE }: InOrderOptions) {
    const onDisturbed = () => {
      for (const listener of this.#listeners) listener()
    }
    this.#ipvs = ipvs
    const options = { onDisturbed, random, patience }
    this.#snat = new OpenedLater(snat, options)
    this.#addresses = new OpenedLater(addresses, options)
    this.#firewall = firewall && new OpenedLater(firewall, options)
    this.#firewallIsOn = () => firewall?.isOn() === true
    this.#held = {
      get table() {
        return ipvs.currentTable()
      },
      get draining() {
        return ipvs.draining()
      },
      holds: (...what) => ipvs.holds(...what),
    }
    this.#still = { service: (key) => ipvs.holds(key), destination: (service, destination) => ipvs.holds(service, destination) }
  }

  async reconcile(
    desired: DesiredState,
    scope: 'changes' | 'full',
    now: number,
    options: PassOptions = {},
  ): Promise<InOrderReport> {
    const translated = this.#translated.of(desired)
    const placed = this.#placed.of(desired)
    const snat = new Part('snat', this.#snat, translated, now, this.#untold)
    const addresses = new Part('addresses', this.#addresses, placed, now, this.#untold)
    const firewall = this.#firewallPart(desired, now)
    // Later passes leave out what is not allowed, because writes were made.
    if (scope === 'full' && (snat.isWanted || addresses.isWanted || firewall?.isWanted))
      await this.#requireAllowed(desired, now, options)
    if (this.#firewallIsOn()) {
      const filters = this.#firewall?.scopeOf(scope) ?? scope
      await firewall?.run((sink) => sink.open(desired, this.#held, filters, now), filters)
      // IPVS asks for itself, behind source NAT. What was not begun to be read is owed to nobody.
      const given = options.signal?.aborted ? this.#ipvs.givenWay() : undefined
      if (given !== undefined) return gaveWay(given)
    }
    const translations = this.#snat.scopeOf(scope)
    const opened = await snat.run((sink) => sink.open(desired, translations, now), translations)
    const unconfirmed = snat.standstill === undefined ? (opened?.unconfirmed ?? new Set<ServiceKey>()) : translated
    await addresses.run((sink) => sink.withdraw(desired, now))
    const began = performance.now()
    const ipvs = await this.#ipvs.reconcile(openable(desired, unconfirmed, this.#ipvs), scope, now, options)
    const table: PartOutcome = { sink: 'ipvs', ok: true, report: ipvs, seconds: (performance.now() - began) / 1000 }
    // What follows goes by what IPVS has done. What the others did is told by the pass that does not give way.
    if (ipvs.gaveWay) return gaveWay(ipvs)
    await snat.run((sink) => sink.close(desired, this.#still, now))
    const places = this.#addresses.scopeOf(scope)
    await addresses.run((sink) => sink.hold(desired, this.#still.service, places, now), places)
    if (this.#firewallIsOn()) await firewall?.run((sink) => sink.close(desired, this.#held, now))
    else await this.#leaveFirewall(firewall)
    return told(
      table,
      [...(firewall === undefined ? [] : [firewall]), snat, addresses],
      waitingFor(unconfirmed, desired, this.#ipvs, now),
    )
  }

  async exit(mode: 'keep' | 'drain' | 'remove', options: ExitOptions = {}): Promise<InOrderReport> {
    const began = performance.now()
    const report = await this.#ipvs.exit(mode, options)
    const table: PartOutcome = { sink: 'ipvs', ok: true, report, seconds: (performance.now() - began) / 1000 }
    if (mode === 'keep') return told(table, [], [])
    const now = (options.clock ?? Date.now)()
    for (const later of [this.#firewall, this.#snat, this.#addresses]) await later?.readyAtOnce()
    const snat = new Part('snat', this.#snat, new Set(), now, this.#untold)
    const addresses = new Part('addresses', this.#addresses, new Set(), now, this.#untold)
    const firewall = this.#firewallPart(NOTHING_DESIRED, now)
    if ([...this.#ipvs.lastTable().keys()].some((key) => this.#ipvs.holds(key))) {
      await snat.run((sink) => sink.close(NOTHING_DESIRED, this.#still, now))
      await addresses.run((sink) => sink.hold(NOTHING_DESIRED, this.#still.service, 'full', now))
      await firewall?.run((sink) => sink.close(NOTHING_DESIRED, this.#held, now))
    } else {
      await snat.run((sink) => removed(sink, this.#snat))
      await addresses.run((sink) => removed(sink, this.#addresses))
      await this.#leaveFirewall(firewall)
    }
    return told(table, [...(firewall === undefined ? [] : [firewall]), snat, addresses], [])
  }

  onDisturbed(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async settled(): Promise<void> {
    for (const later of [this.#firewall, this.#snat, this.#addresses]) await later?.settled()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear()
    await this.#snat[Symbol.asyncDispose]()
    await this.#addresses[Symbol.asyncDispose]()
    await this.#firewall?.[Symbol.asyncDispose]()
  }

  /** Undefined where there is nothing to do with filters, or no longer. */
  #firewallPart(desired: DesiredState, now: number): Part<FirewallSink> | undefined {
    if (this.#firewall === undefined) return undefined
    const isOn = this.#firewallIsOn()
    if (isOn) this.#firewallIsLeft = false
    if (this.#firewallIsLeft) return undefined
    return new Part('firewall', this.#firewall, this.#all.of(isOn ? desired : NOTHING_DESIRED), now, this.#untold)
  }

  async #leaveFirewall(firewall: Part<FirewallSink> | undefined): Promise<void> {
    const later = this.#firewall
    if (firewall === undefined || later === undefined) return
    if ((await firewall.run((sink) => removed(sink, later))) !== undefined || !firewall.isWanted) this.#firewallIsLeft = true
  }

  /** Nothing is written, of no sink, where the plan for the table has what is not allowed. */
  async #requireAllowed(desired: DesiredState, now: number, { allowedActions }: PassOptions): Promise<void> {
    if (allowedActions === undefined) return
    const { changes, tableChanges } = await this.#ipvs.planOnly(desired, { now })
    requireAllowed(changes, tableChanges, allowedActions, desired)
  }
}

async function removed<S extends { remove(): Promise<void> } & AsyncDisposable>(
  sink: S,
  later: { emptied(): Promise<void> },
): Promise<HalfReport> {
  await sink.remove()
  await later.emptied()
  return { applied: {}, failed: [], driftRepaired: 0 }
}

function gaveWay(report: PassReport): InOrderReport {
  return { ...report, parts: [{ sink: 'ipvs', ok: true, report, seconds: 0 }] }
}

function told(
  table: PartOutcome & { readonly ok: true },
  parts: readonly Pick<Part<never>, 'sink' | 'isWanted' | 'report' | 'outcome' | 'isTold'>[],
  waiting: readonly ObjectFailure[],
): InOrderReport {
  const wanted = parts.filter(({ isWanted }) => isWanted)
  const whole = joinedReports([table.report, ...wanted.map((part) => part.report())])
  const known = new Set(whole.failed.map(({ object }) => object))
  const untold = waiting.filter(({ object }) => !known.has(object))
  const failed = [...whole.failed, ...untold]
  const outcomes = wanted.map((part) => part.outcome(part.sink === 'snat' ? untold : []))
  for (const part of wanted) part.isTold()
  return { ...whole, failed, parts: [table, ...outcomes] }
}

/** What IPVS is told: nothing of services that are not to be opened, and what can do no harm of those that are open already. */
function openable(desired: DesiredState, unconfirmed: ReadonlySet<ServiceKey>, ipvs: Pick<IpvsSink, 'holds'>): DesiredState {
  if (unconfirmed.size === 0) return desired
  const services = new Map(desired.services)
  const undecided = new Set(desired.undecided)
  for (const key of unconfirmed) {
    const service = services.get(key)
    if (service === undefined) continue
    const now = ipvs.holds(key) ? openNow(service, key, ipvs) : undefined
    if (now !== undefined) services.set(key, now)
    else {
      services.delete(key)
      undecided.add(key)
    }
  }
  return { ...desired, services, undecided }
}

/**
 * What an open service may have; undefined: it stays as it is. A translation by virtual address is the same for every destination, so that new ones
 * fare no worse than those that are there; where there is one for each, those that are there are better than none.
 */
function openNow(service: DesiredService, key: ServiceKey, ipvs: Pick<IpvsSink, 'holds'>): DesiredService | undefined {
  if (service.identity.kind === 'address') return service
  let { destinations } = service
  for (const destination of service.destinations.keys())
    if (!ipvs.holds(key, destination)) destinations = destinations.without(destination)
  if (destinations === service.destinations) return service
  return destinations.size === 0 ? undefined : { ...service, destinations }
}

/** Services that are not open and whose sink does not say why. */
function waitingFor(
  unconfirmed: ReadonlySet<ServiceKey>,
  desired: DesiredState,
  ipvs: Pick<IpvsSink, 'holds'>,
  now: number,
): ObjectFailure[] {
  return [...unconfirmed].flatMap((key) => {
    const service = desired.services.get(key)
    if (service === undefined || ipvs.holds(key)) return []
    const message = `${service.name} is not opened yet, because its source NAT is not confirmed to be in the kernel.`
    return [{ object: key, code: 'KERNEL_REFUSED', message, retryAt: now }]
  })
}
