import { catalogServiceId } from '../../model/catalog-spec.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { Claimant, PastClaim, ReadClaim } from './claim.ts'
import { type Circumstances, judged, restored, without } from './judge.ts'
import { type ClaimsState, catalogOf, isWorthKnowing, staticsOf } from './state.ts'

/** Judges claimants one after the other within one step, and knows who holds what meanwhile. */
export class Hearing {
  readonly #state: ClaimsState
  readonly #read: ReadClaim
  readonly #now: number
  readonly #statics: ReadonlyMap<ServiceKey, ServiceSpec>
  readonly #claimants: Map<string, Claimant>
  readonly #holders = new Map<ServiceKey, Claimant>()
  readonly #judged = new Set<string>()
  /** Something was let go that another may have been refused for. */
  #freed = false

  constructor(state: ClaimsState, read: ReadClaim, now: number) {
    this.#state = state
    this.#read = read
    this.#now = now
    this.#statics = staticsOf(state.configured)
    this.#claimants = new Map(state.claimants)
    for (const claimant of this.#claimants.values()) this.#hold(claimant)
  }

  holderOf(service: ServiceKey): Claimant | undefined {
    return this.#holders.get(service)
  }

  judge(id: string, decide: (claimant: Claimant, circumstances: Circumstances) => Claimant): void {
    const before = this.#claimants.get(id)
    if (before === undefined) return
    this.#judged.add(id)
    const circumstances = this.#circumstances(before.who.catalog)
    const after = circumstances === undefined ? without(before) : decide(before, circumstances)
    this.#claimants.set(id, after)
    const old = before.claim?.key
    if (old !== undefined && old !== after.claim?.key) {
      this.#holders.delete(old)
      this.#freed = true
    }
    this.#hold(after)
  }

  /** Grants what an earlier process granted, where nobody holds it. */
  admit({ words, since, goneSince, ...who }: PastClaim): void {
    const id = catalogServiceId(who)
    const circumstances = this.#circumstances(who.catalog)
    if (circumstances === undefined || this.#claimants.has(id)) return
    const granted = restored({ id, who }, { words, since, ...(goneSince !== undefined && { goneSince }) }, circumstances)
    if (granted.claim === undefined) return
    this.#claimants.set(id, granted)
    this.#hold(granted)
  }

  /** Hears those that were refused again while something becomes free; gives everybody who may still have something to say. */
  close(): Pick<ClaimsState, 'claimants' | 'touched'> {
    while (this.#freed) {
      this.#freed = false
      const waiting = [...this.#claimants.values()].filter(({ refusal }) => refusal !== undefined)
      for (const { id } of waiting) this.judge(id, judged)
    }
    for (const id of this.#judged) {
      const claimant = this.#claimants.get(id)
      if (claimant !== undefined && !isWorthKnowing(this.#state, claimant)) this.#claimants.delete(id)
    }
    return { claimants: this.#claimants, touched: this.#judged }
  }

  #hold(claimant: Claimant): void {
    const key = claimant.claim?.key
    if (key !== undefined) this.#holders.set(key, claimant)
  }

  #circumstances(name: string): Circumstances | undefined {
    const catalog = catalogOf(this.#state, name)
    return catalog && { catalog, read: this.#read, statics: this.#statics, holders: this.#holders, now: this.#now }
  }
}
