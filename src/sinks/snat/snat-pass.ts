import { PointsmanError } from '../../errors.ts'
import type { ConntrackKernel } from '../../kernel/for-sinks.ts'
import type { DesiredService, DesiredState } from '../../model/desired-state.ts'
import type { IpvsTable } from '../../model/ipvs-table.ts'
import type { PortRange } from '../../model/source-nat.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { SinkLog } from '../ipvs/transition.ts'
import type { ConnectionCounts } from './connection-counts.ts'
import type { SnatMemory } from './memory.ts'
import { servicesWith } from './others.ts'
import { driftOf, isNone, lostOfLeaving, missingOf, superfluous, type Unit, wantsTranslation } from './plan.ts'
import { samePorts } from './port-range.ts'
import type { SnatReport, StillServed } from './snat-sink.ts'
import { NO_TABLE, type TableImage } from './table-image.ts'
import { type Match, type MatchKey, matchKey, ownerOf } from './translation.ts'
import type { TableEdit, TranslationTable } from './translation-table.ts'
import { isRefusal, writeApart } from './write-apart.ts'

export interface SnatTools {
  readonly table: TranslationTable
  readonly conntrack: Pick<ConntrackKernel, 'deleteUntranslated'> | undefined
  readonly inKernel: (() => IpvsTable) | undefined
  readonly memory: SnatMemory
  readonly counts: ConnectionCounts
  readonly log: SinkLog | undefined
}

/** The object of what fails with entries of connection tracking. */
export const CONNTRACK = 'conntrack'
/** Objects that a line of the log names. */
const MOST_NAMED = 10
/** As for the IPVS sink. */
const SHORTEST_WAIT = 250

/** One half of a pass, from reading to report. */
export class SnatPass {
  readonly #tools: SnatTools
  readonly #desired: DesiredState
  readonly #now: number
  readonly #ports: PortRange
  readonly #applied: Record<string, number> = {}
  #driftRepaired = 0
  /** The services with source NAT that are looked at, for they or the table may have changed. */
  #visits: readonly (readonly [ServiceKey, DesiredService])[] = []

  constructor(tools: SnatTools, desired: DesiredState, ports: PortRange, now: number) {
    this.#tools = tools
    this.#desired = desired
    this.#ports = ports
    this.#now = now
  }

  async open(scope: 'changes' | 'full'): Promise<SnatReport> {
    const wanting = wantsTranslation(this.#desired)
    const seen = await this.#see(scope, wanting)
    this.#visits = this.#toVisit(seen !== 'as before')
    if (seen !== 'failed') await this.#mend()
    this.#judge()
    return this.#report()
  }

  /** As `open` with what was read of the table just now, and what others did to it shows. */
  async repair(image: TableImage): Promise<SnatReport> {
    this.#learn(image)
    this.#visits = this.#toVisit(true)
    await this.#mend()
    this.#judge()
    return this.#report()
  }

  async close(still: StillServed): Promise<SnatReport> {
    const { memory } = this.#tools
    if ((memory.believed === undefined || memory.unsure) && !this.#tableWaits()) await this.#try(() => this.#read())
    if (memory.believed !== undefined && !memory.unsure) {
      await this.#try(() => this.#takeAway(memory.believed as TableImage, still))
      const open = new Map([...memory.added].filter(([, match]) => still.service(ownerOf(match))))
      if (await this.#deleteUntranslated(open)) for (const key of open.keys()) memory.added.delete(key)
    }
    return this.#report()
  }

  /** Reads the table where it has to be. */
  async #see(scope: 'changes' | 'full', wanting: boolean): Promise<'read' | 'as before' | 'failed'> {
    const { memory, log } = this.#tools
    const first = memory.believed === undefined
    const idle = !wanting && memory.believed?.state === 'absent' && !memory.unsure
    if (idle || (scope === 'changes' && !first && !memory.unsure)) return 'as before'
    // Somebody who disturbs it again and again is no reason to wait for a kernel that hangs each time.
    if ((scope === 'changes' || !first) && this.#tableWaits()) return 'failed'
    try {
      await this.#read()
      return 'read'
    } catch (error) {
      if (first && !wanting && error instanceof PointsmanError) {
        log?.info(
          { code: error.code },
          `No source NAT is asked for, and whether an earlier run left any cannot be seen: ${error.message}`,
        )
        memory.believed = NO_TABLE
        return 'read'
      }
      this.#failTable(error)
      return 'failed'
    }
  }

  async #mend(): Promise<void> {
    const { memory } = this.#tools
    await this.#try(() => this.#writeMissing())
    if (memory.believed?.state === 'sound' && (await this.#deleteUntranslated(memory.repaired))) memory.repaired.clear()
  }

  async #read(): Promise<void> {
    const { memory, table } = this.#tools
    this.#learn(await table.read(memory.believed?.ports ?? this.#ports))
  }

  #learn(image: TableImage): void {
    const { memory, counts } = this.#tools
    const { believed } = memory
    counts.observe(image)
    if (believed !== undefined && !memory.unsure) this.#noteDrift(believed, image)
    memory.believed = image
    memory.unsure = false
  }

  #noteDrift(believed: TableImage, image: TableImage): void {
    const { memory, log, table } = this.#tools
    const drift = driftOf(believed, image)
    if (isNone(drift)) return
    for (const translation of drift.lost) memory.lost.set(matchKey(translation.match), translation)
    for (const key of drift.strange) memory.strange.add(key)
    if (drift.structure) memory.structureLost = true
    const { lost, strange, structure } = drift
    const objects = [...lost.map(({ match }) => matchKey(match)), ...strange].slice(0, MOST_NAMED)
    const detail = { lost: lost.length, strange: strange.length, structure, objects }
    log?.warn(detail, `Somebody else changed the ${table.name}; it is put right.`)
  }

  #toVisit(everything: boolean): readonly (readonly [ServiceKey, DesiredService])[] {
    const { previous, unconfirmed } = this.#tools.memory
    const visits: (readonly [ServiceKey, DesiredService])[] = []
    for (const entry of this.#desired.services) {
      const [key, service] = entry
      if (service.sourceNat === undefined) continue
      if (everything || previous.get(key) !== service || unconfirmed.has(key)) visits.push(entry)
    }
    return visits
  }

  async #writeMissing(): Promise<void> {
    const { memory } = this.#tools
    const units = this.#units()
    const image = memory.believed as TableImage
    const keeps = units.length > 0 || image.held.size > 0
    if (!keeps || (units.length === 0 && image.state === 'sound' && samePorts(image.ports, this.#ports))) return
    try {
      await this.#write(units)
    } catch (error) {
      if (!isRefusal(error)) throw error
      // Somebody may have been at the table since it was read.
      await this.#read()
      this.#visits = this.#toVisit(true)
      await this.#writeApart(this.#units())
    }
  }

  async #writeApart(units: readonly Unit[]): Promise<void> {
    const { backoff } = this.#tools.memory
    if ((this.#tools.memory.believed as TableImage).state !== 'sound') await this.#write([])
    const refused = await writeApart(units, (group) => this.#write(group))
    for (const { unit, error } of refused) {
      const message = `The source NAT of ${unit.service} was refused: ${error.message}`
      backoff.fail(unit.service, unit.service, unit.wanted, this.#now, { code: error.code, message })
    }
  }

  #units(): Unit[] {
    const { backoff, lost, believed } = this.#tools.memory
    const units: Unit[] = []
    for (const [key, service] of this.#visits) {
      const unit = missingOf(key, service, believed as TableImage)
      if (unit !== undefined && !backoff.holds(key, unit.wanted, this.#now)) units.push(unit)
    }
    const leaving = lostOfLeaving(lost.values(), this.#desired, believed as TableImage)
    return [...units, ...leaving.filter(({ service, wanted }) => !backoff.holds(service, wanted, this.#now))]
  }

  async #write(units: readonly Unit[]): Promise<void> {
    const { memory } = this.#tools
    const { held } = memory.believed as TableImage
    const had = new Set(units.flatMap(({ put }) => put.map(({ match }) => matchKey(match))).filter((key) => held.has(key)))
    await this.#edit({ put: units.flatMap(({ put }) => put), drop: [], ports: this.#ports })
    for (const { service, put } of units) {
      memory.backoff.clear(service)
      for (const { match } of put) this.#noteConfirmed(matchKey(match), match, had.has(matchKey(match)))
    }
  }

  async #edit(edit: TableEdit): Promise<void> {
    const { memory, table } = this.#tools
    const before = memory.believed as TableImage
    const stood = before.state === 'sound' ? [] : [...before.held]
    memory.believed = await table.write(before, edit)
    if (before.state !== 'sound')
      this.#count(before.state === 'absent' ? 'add-table' : before.state === 'rules' ? 'write-rules' : 'rebuild-table')
    else if (!samePorts(before.ports, edit.ports)) this.#count('write-rules')
    // Without its rules no translation was in force, whatever the maps held.
    const tried = memory.structureLost ? memory.repaired : memory.added
    for (const [key, { match }] of stood) tried.set(key, match)
    if (memory.structureLost) this.#driftRepaired += 1
    memory.structureLost = false
  }

  #noteConfirmed(key: MatchKey, match: Match, had: boolean): void {
    const { memory } = this.#tools
    this.#count(had ? 'edit-element' : 'add-element')
    const lost = memory.lost.delete(key)
    if (memory.strange.delete(key) || lost) this.#driftRepaired += 1
    // Connections that were translated in another way go on in that way, and those to a service that had no source NAT until now may well work.
    if (had) return
    const before = memory.previous.get(ownerOf(match))
    if (lost) memory.repaired.set(key, match)
    else if (before === undefined || before.sourceNat !== undefined) memory.added.set(key, match)
  }

  /** The table stays when nothing is in it any more: with the last chain of NAT the kernel ends the translation of connections that live, too. */
  async #takeAway(image: TableImage, still: StillServed): Promise<void> {
    const { memory, counts } = this.#tools
    const drop = superfluous(image, this.#desired, still)
    if (drop.length > 0) {
      try {
        await this.#edit({ put: [], drop, ports: this.#ports })
      } catch (error) {
        if (!isRefusal(error)) throw error
        await this.#read()
        const left = superfluous(memory.believed as TableImage, this.#desired, still)
        await this.#edit({ put: [], drop: left, ports: this.#ports })
      }
    }
    for (const key of drop) {
      this.#count('delete-element')
      memory.added.delete(key)
      memory.repaired.delete(key)
      if (memory.strange.delete(key)) this.#driftRepaired += 1
    }
    if (drop.length > 0) counts.keepOnly(memory.believed as TableImage)
    for (const key of superfluous({ held: memory.lost }, this.#desired, still)) memory.lost.delete(key)
    memory.strange.clear()
  }

  /** What is done to the table as a whole: where that fails, what is believed of it is believed no more. */
  async #try(step: () => Promise<void>): Promise<void> {
    const { memory, table } = this.#tools
    try {
      await step()
      memory.backoff.clear(table.name)
    } catch (error) {
      this.#failTable(error)
    }
  }

  #failTable(error: unknown): void {
    if (!(error instanceof PointsmanError)) throw error
    const { memory, table } = this.#tools
    memory.unsure = true
    memory.backoff.fail(table.name, table.name, table.name, this.#now, error)
  }

  #tableWaits(): boolean {
    const { memory, table } = this.#tools
    return memory.backoff.holds(table.name, table.name, this.#now)
  }

  /** Which services are translated as they want to be. */
  #judge(): void {
    const { memory } = this.#tools
    const { services } = this.#desired
    for (const key of memory.unconfirmed) if (services.get(key)?.sourceNat === undefined) memory.unconfirmed.delete(key)
    for (const [key, service] of this.#visits) {
      if (missingOf(key, service, memory.believed ?? NO_TABLE) === undefined) memory.unconfirmed.delete(key)
      else memory.unconfirmed.add(key)
    }
    for (const owner of memory.backoff.owners()) {
      if (owner === this.#tools.table.name || owner === CONNTRACK || memory.unconfirmed.has(owner as ServiceKey)) continue
      memory.backoff.keepOnly(owner, new Set())
    }
    memory.previous = services
  }

  /** Whether it is done. */
  async #deleteUntranslated(matches: ReadonlyMap<MatchKey, Match>): Promise<boolean> {
    const { conntrack, memory } = this.#tools
    if (matches.size === 0 || memory.backoff.holds(CONNTRACK, CONNTRACK, this.#now)) return false
    const all = [...matches.values()]
    const targets = all.filter((match) => match.kind === 'vip')
    // The virtual addresses behind a firewall mark are not known: their flows are found by where they were sent.
    const backends = all.filter((match) => match.kind === 'mark')
    const others = backends.length === 0 ? [] : servicesWith(backends, this.#desired, this.#tools.inKernel?.())
    try {
      const deleted = (await conntrack?.deleteUntranslated(targets, backends, others)) ?? 0
      if (deleted > 0) this.#applied['delete-connection'] = (this.#applied['delete-connection'] ?? 0) + deleted
      memory.backoff.clear(CONNTRACK)
      return true
    } catch (error) {
      if (!(error instanceof PointsmanError)) throw error
      memory.backoff.fail(CONNTRACK, CONNTRACK, CONNTRACK, this.#now, error)
      return false
    }
  }

  #count(kind: string): void {
    this.#applied[kind] = (this.#applied[kind] ?? 0) + 1
  }

  #report(): SnatReport {
    const { backoff, unconfirmed } = this.#tools.memory
    const wakeAt = backoff.nextRetry()
    return {
      applied: this.#applied,
      failed: backoff.list(),
      driftRepaired: this.#driftRepaired,
      unconfirmed: new Set(unconfirmed),
      ...(wakeAt === undefined ? {} : { wakeAt: Math.max(wakeAt, this.#now + SHORTEST_WAIT) }),
    }
  }
}
