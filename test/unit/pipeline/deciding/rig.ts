import type { AdminState } from '../../../../src/model/admin-state.ts'
import type { DestinationKey } from '../../../../src/model/destination.ts'
import type { Operational } from '../../../../src/model/operational.ts'
import { DEFAULT_POLICY, type PolicySpec } from '../../../../src/model/policy-spec.ts'
import type { Health } from '../../../../src/model/probe-result.ts'
import type { ServiceSpec } from '../../../../src/model/service-spec.ts'
import {
  approved,
  type Beginning,
  changeSpec,
  heardOf,
  NO_BEGINNING,
  type ServiceState,
  startService,
  timePassed,
} from '../../../../src/pipeline/service.ts'
import { openSlot } from '../../../../src/pipeline/slot.ts'
import { key, spec, tcpCheck } from '../makers.ts'

/** A service whose members are asked, without debounce, so that each event is seen at once. */
export function checked(more: Partial<ServiceSpec> = {}, policy: Partial<PolicySpec> = {}): ServiceSpec {
  return spec({ checks: [tcpCheck], debounce: { min: 0, max: 0 }, ...more, policy: { ...DEFAULT_POLICY, ...policy } })
}

/** One service in a time of its own. What the kernel would be told is counted. */
export class Rig {
  now = 1_000_000
  state: ServiceState
  /** Differences in membership or weight that a sink would have to write since the last look. */
  writes = 0
  #found = new Map<DestinationKey, Operational>()
  #words = new Map<DestinationKey, AdminState>()
  #table: ReadonlyMap<string, number> = new Map()

  constructor(service: ServiceSpec, beginning: Partial<Beginning> = {}) {
    const open = (_: ServiceSpec, source: ServiceSpec['sources'][number]) => openSlot(0, source, undefined, 2_000, this.now)
    this.state = startService(service, open, this.now, { ...NO_BEGINNING, ...beginning })
    this.#look()
  }

  /** Probes found this of these members. */
  found(health: Health, numbers: readonly number[], more: Partial<Operational> = {}): this {
    for (const number of numbers) {
      const before = this.#found.get(key(number))
      const since = before?.health === health ? before.since : this.now
      const failure = health === 'down' ? { failure: 'refused' as const, message: 'tcp refused' } : {}
      this.#found.set(key(number), { health, since, turns: 0, ...failure, ...more })
    }
    return this.#became(heardOf(this.state, { found: new Map(this.#found) }, this.now))
  }

  up(...numbers: number[]): this {
    return this.found('up', numbers)
  }

  down(...numbers: number[]): this {
    return this.found('down', numbers)
  }

  /** They connect and answer wrongly. */
  sick(...numbers: number[]): this {
    return this.found('down', numbers, { failure: 'wrong-answer', message: 'http said 404' })
  }

  /** The operator says this of a member; undefined takes it back. */
  word(number: number, word: Partial<AdminState> | undefined): this {
    if (word === undefined) this.#words.delete(key(number))
    else this.#words.set(key(number), { state: 'ready', at: this.now, ...word })
    return this.#became(heardOf(this.state, { words: new Map(this.#words) }, this.now))
  }

  approve(): this {
    return this.#became(approved(this.state, this.now))
  }

  configure(service: ServiceSpec): this {
    const open = (_: ServiceSpec, source: ServiceSpec['sources'][number]) => openSlot(0, source, undefined, 2_000, this.now)
    return this.#became(changeSpec(this.state, service, open, this.now))
  }

  apply(change: (state: ServiceState, now: number) => ServiceState): this {
    return this.#became(change(this.state, this.now))
  }

  /** Lets time pass, with every moment at which something is due. */
  wait(milliseconds: number): this {
    const end = this.now + milliseconds
    while (this.state.dueAt <= end) {
      this.now = Math.max(this.now, this.state.dueAt)
      const before = this.state
      this.#became(timePassed(this.state, this.now))
      if (this.state.dueAt <= this.now && before === this.state) throw new Error('time stands still')
    }
    this.now = end
    return this
  }

  /** The weights in the table, by number; who is not in it is absent. */
  get weights(): Record<number, number> {
    const numbers = Array.from({ length: 99 }, (_, index) => index)
    return Object.fromEntries(
      numbers.flatMap((number) => {
        const weight = this.#table.get(key(number))
        return weight === undefined ? [] : [[number, weight]]
      }),
    )
  }

  get table(): ReadonlyMap<string, number> {
    return this.#table
  }

  reasons(number: number): readonly string[] {
    const { service, leftOut } = this.state.decided
    return service.destinations.get(key(number))?.reasons ?? leftOut.get(key(number)) ?? []
  }

  get cut(): string[] {
    return [...(this.state.decided.service.cut?.keys() ?? [])].sort()
  }

  get mode() {
    return this.state.pool.verdict.mode
  }

  #became(state: ServiceState): this {
    this.state = state
    this.#look()
    return this
  }

  #look(): void {
    const table = new Map([...this.state.decided.service.destinations].map(([at, { weight }]) => [at as string, weight]))
    for (const [at, weight] of table) if (this.#table.get(at) !== weight) this.writes++
    for (const at of this.#table.keys()) if (!table.has(at)) this.writes++
    this.#table = table
  }
}
