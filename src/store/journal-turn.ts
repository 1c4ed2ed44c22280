import type { OperatorWords } from '../model/admin-state.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { IpvsTimeouts, SyncDaemon } from '../model/ipvs-table.ts'
import type { Operational } from '../model/operational.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { SourceEvent } from '../model/source-event.ts'
import { type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import type { Snapshot } from './snapshots-file.ts'

/** An answer of an earlier process, as it was taken up for a source. */
export interface PastAnswer {
  readonly service: ServiceKey
  /** Name of the source. */
  readonly source: string
  readonly lastGood: Snapshot & { readonly outdated?: true }
}

/** What the pipeline was given. */
export type JournalEvent =
  | {
      readonly kind: 'wanted'
      readonly wanted: {
        readonly services: readonly ServiceSpec[]
        readonly undecided?: ReadonlySet<ServiceKey>
        readonly ipvs?: { readonly timeouts?: Partial<IpvsTimeouts>; readonly syncDaemons?: readonly SyncDaemon[] }
      }
      readonly past?: { readonly patience: number; readonly used: readonly PastAnswer[] }
    }
  | { readonly kind: 'said'; readonly service: ServiceKey; readonly slot: number; readonly event: SourceEvent }
  | { readonly kind: 'approved'; readonly service: ServiceKey }
  | { readonly kind: 'probed'; readonly service: ServiceKey; readonly failing: ReadonlySet<DestinationKey> }
  | { readonly kind: 'operational'; readonly service: ServiceKey; readonly found: ReadonlyMap<DestinationKey, Operational> }
  | { readonly kind: 'operator'; readonly words: OperatorWords }
  | {
      readonly kind: 'kernel'
      readonly known: {
        readonly weights?: ReadonlyMap<ServiceKey, ReadonlyMap<DestinationKey, number>>
        readonly expiresQuiescentTemplates: boolean
      }
    }
  | { readonly kind: 'wake' }

/** A source that is open, under a number that no other source of the run ever has. */
export interface OpenedSource {
  readonly slot: number
  readonly service: ServiceKey
  /** Name of the source. */
  readonly source: string
}

/** An event and when it was. */
export interface JournalTurn {
  readonly event: JournalEvent
  /** Milliseconds since the epoch. */
  readonly now: number
  /** All sources that are open from now on; absent where that did not change. */
  readonly open?: readonly OpenedSource[]
}

/**
 * What is known after some turns: against it the next one is written short, and out of it a journal can begin anew in the middle
 * of a run.
 */
export class JournalMemory {
  readonly #said = new Map<number, { readonly service: ServiceKey; readonly event: SourceEvent }>()
  readonly #found = new Map<ServiceKey, ReadonlyMap<DestinationKey, Operational>>()
  #words: OperatorWords | undefined
  #kernel: Extract<JournalEvent, { kind: 'kernel' }> | undefined
  #wanted: Extract<JournalEvent, { kind: 'wanted' }> | undefined
  /** Absent: nothing was said of what is open. */
  #open: readonly OpenedSource[] | undefined
  #past: readonly PastAnswer[] = []
  #now = 0

  /** The last word of a source. */
  said(slot: number): SourceEvent | undefined {
    return this.#said.get(slot)?.event
  }

  found(service: ServiceKey): ReadonlyMap<DestinationKey, Operational> | undefined {
    return this.#found.get(service)
  }

  get words(): OperatorWords {
    return this.#words ?? new Map()
  }

  take({ event, now, open }: JournalTurn): void {
    this.#now = now
    if (open !== undefined) this.#nowOpen(open)
    switch (event.kind) {
      case 'wanted':
        this.#nowWanted(event)
        break
      case 'said':
        this.#said.set(event.slot, { service: event.service, event: event.event })
        break
      case 'operational':
        this.#found.set(event.service, event.found)
        break
      case 'operator':
        this.#words = event.words
        break
      case 'kernel':
        this.#kernel = event
        break
      case 'approved':
      case 'probed':
      case 'wake':
        break
    }
  }

  /** Turns that lead near to where this is: what waits, and what is held, is not in them. */
  *summary(): Generator<JournalTurn> {
    const now = this.#now
    if (this.#kernel !== undefined) yield { event: this.#kernel, now }
    if (this.#words !== undefined) yield { event: { kind: 'operator', words: this.#words }, now }
    if (this.#wanted !== undefined) {
      const { past, ...wanted } = this.#wanted
      const event = { ...wanted, ...(past !== undefined && { past: { ...past, used: this.#unspoken() } }) }
      yield { event, now, ...(this.#open !== undefined && { open: this.#open }) }
    }
    for (const [service, found] of this.#found) yield { event: { kind: 'operational', service, found }, now }
    for (const [slot, one] of this.#said) yield { event: { kind: 'said', slot, ...one }, now }
  }

  #nowWanted(event: Extract<JournalEvent, { kind: 'wanted' }>): void {
    this.#wanted = event
    if (event.past !== undefined) this.#past = [...this.#past, ...event.past.used]
    const keys = new Set(event.wanted.services.map(({ identity }) => serviceKey(identity)))
    for (const service of this.#found.keys()) if (!keys.has(service)) this.#found.delete(service)
  }

  #nowOpen(open: readonly OpenedSource[]): void {
    this.#open = open
    const numbers = new Set(open.map(({ slot }) => slot))
    for (const slot of this.#said.keys()) if (!numbers.has(slot)) this.#said.delete(slot)
    const sources = new Set(open.map(nameOf))
    this.#past = this.#past.filter((answer) => sources.has(nameOf(answer)))
  }

  /** Answers of the past that may still stand in for a source. */
  #unspoken(): readonly PastAnswer[] {
    const silent = (this.#open ?? []).filter(({ slot }) => (this.said(slot)?.kind ?? 'pending') === 'pending')
    const sources = new Set(silent.map(nameOf))
    return this.#past.filter((answer) => sources.has(nameOf(answer)))
  }
}

function nameOf({ service, source }: Pick<OpenedSource, 'service' | 'source'>): string {
  return `${service} ${source}`
}
