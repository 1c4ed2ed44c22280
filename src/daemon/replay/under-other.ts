import type { ServiceSpec } from '../../model/service-spec.ts'
import { type SourceSpec, sourceName } from '../../model/source-spec.ts'
import { type ServiceKey, serviceKey } from '../../model/virtual-service.ts'
import type { LastGood, WantedServices } from '../../pipeline/desired-update.ts'
import type { PipelineEvent, PipelineState } from '../../pipeline/pipeline.ts'
import type { Wake } from '../../pipeline/step.ts'
import type { JournalEvent, JournalTurn, OpenedSource } from '../../store/journal-turn.ts'
import { type PlayedSource, playedSource } from './as-recorded.ts'
import type { Casting } from './player.ts'

type Wanted = Extract<JournalEvent, { kind: 'wanted' }>

/**
 * The services of another configuration in place of those that were recorded. A recorded service plays the one of its name, or of
 * its address where none has its name, and each of its sources the one of the same name. What the kernel held and what the operator
 * said stays with the addresses.
 */
export class UnderOther implements Casting {
  readonly #other: WantedServices
  readonly #byName: ReadonlyMap<string, ServiceSpec>
  readonly #byKey: ReadonlyMap<ServiceKey, ServiceSpec>
  readonly #recorded = new Map<ServiceKey, string>()
  readonly #sources = new Map<number, PlayedSource>()
  readonly #heard = new Set<string>()
  readonly #probed = new Set<ServiceKey>()
  readonly #notes = new Set<string>()

  constructor(other: WantedServices) {
    this.#other = other
    this.#byName = new Map(other.services.map((spec) => [spec.name, spec]))
    this.#byKey = new Map(other.services.map((spec) => [serviceKey(spec.identity), spec]))
  }

  eventOf({ event }: JournalTurn): PipelineEvent | Wake | undefined {
    switch (event.kind) {
      case 'wanted':
        return this.#wanted(event)
      case 'said': {
        const played = this.#sources.get(event.slot)
        return played && { ...event, ...played }
      }
      case 'operational':
        return this.#operational(event)
      case 'approved':
      case 'probed': {
        const spec = this.#playedBy(event.service)
        return spec && { ...event, service: serviceKey(spec.identity) }
      }
      case 'operator':
      case 'kernel':
      case 'wake':
        return event
    }
  }

  after({ open = [] }: JournalTurn, state: PipelineState): void {
    for (const one of open) if (!this.#sources.has(one.slot)) this.#cast(one, state)
  }

  /** What of the journal, and what of the other configuration, plays no part; one sentence each. */
  notes(): string[] {
    const recorded = new Set([...this.#recorded.keys()].map((service) => this.#playedBy(service)))
    const only = this.#other.services.filter((spec) => !recorded.has(spec))
    const services = only.map(({ name }) => `service ${name} is in the other configuration alone: nothing was recorded of it`)
    const others = this.#other.services.filter((spec) => recorded.has(spec))
    const sources = others.flatMap((spec) =>
      spec.sources
        .map(sourceName)
        .filter((source) => !this.#heard.has(nameOf(spec, source)))
        .map((source) => `source ${source} of ${spec.name} is in the other configuration alone: it says nothing here`),
    )
    const unasked = others
      .filter(({ checks, identity }) => checks.length > 0 && !this.#probed.has(serviceKey(identity)))
      .map(({ name }) => `no probe result of ${name} was recorded: its backends are as they are before the first one`)
    return [...this.#notes, ...services, ...sources, ...unasked]
  }

  #wanted({ wanted, past }: Wanted): PipelineEvent {
    for (const { identity, name } of wanted.services) {
      const key = serviceKey(identity)
      this.#recorded.set(key, name)
      if (this.#playedBy(key) === undefined) this.#notes.add(`service ${name} is not in the other configuration`)
    }
    const { services, ipvs } = this.#other
    const other = { kind: 'wanted', wanted: { services, ...(ipvs !== undefined && { ipvs }) } } as const
    if (past === undefined) return other
    const lastGood = (spec: ServiceSpec, source: SourceSpec): LastGood | undefined =>
      past.used.find((one) => this.#playedBy(one.service) === spec && one.source === sourceName(source))?.lastGood
    return { ...other, past: { patience: past.patience, lastGood } }
  }

  #operational(event: Extract<JournalEvent, { kind: 'operational' }>): PipelineEvent | undefined {
    const spec = this.#playedBy(event.service)
    if (spec === undefined) return undefined
    const service = serviceKey(spec.identity)
    if (spec.checks.length === 0) {
      if (event.found.size > 0) this.#notes.add(`probe results of ${spec.name} are not used: it has no health check`)
      return undefined
    }
    this.#probed.add(service)
    return { ...event, service }
  }

  #cast({ slot, service, source }: OpenedSource, state: PipelineState): void {
    const spec = this.#playedBy(service)
    if (spec === undefined) return
    const played = playedSource(state, serviceKey(spec.identity), source)
    if (played === undefined) this.#notes.add(`source ${source} of ${spec.name} is not in the other configuration`)
    else {
      this.#sources.set(slot, played)
      this.#heard.add(nameOf(spec, source))
    }
  }

  #playedBy(recorded: ServiceKey): ServiceSpec | undefined {
    const name = this.#recorded.get(recorded)
    return (name === undefined ? undefined : this.#byName.get(name)) ?? this.#byKey.get(recorded)
  }
}

function nameOf({ name }: ServiceSpec, source: string): string {
  return `${name} ${source}`
}
