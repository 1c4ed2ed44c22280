import { PointsmanError } from '../../src/errors.ts'
import type { DesiredState } from '../../src/model/desired-state.ts'
import type { ServiceKey } from '../../src/model/virtual-service.ts'
import type { AddressFacts, AddressReport, AddressSink } from '../../src/sinks/addresses/address-sink.ts'
import type { SnatReport, SnatSink, StillServed } from '../../src/sinks/snat/snat-sink.ts'

/** What a fake sink did, in order, one text per step; several may share one list. */
export type Steps = string[]

class Disturbable {
  readonly #listeners = new Set<() => void>()

  onDisturbed(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What another program does to what is ours. */
  disturb(): void {
    for (const listener of this.#listeners) listener()
  }
}

/** Source NAT in memory: one translation for each service that wants it. */
export class FakeSnatSink extends Disturbable implements SnatSink {
  readonly name = 'snat'
  readonly translations = new Map<ServiceKey, string>()
  /** Services whose translation the kernel refuses. */
  readonly refused = new Set<ServiceKey>()
  /** `open` waits for it. */
  answers: Promise<unknown> = Promise.resolve()
  /** Connections that each translation has seen. */
  counted = 0n
  readonly scopes: string[] = []
  /** Rejects with this. */
  broken: PointsmanError | Error | undefined
  isClosed = false
  readonly #steps: Steps

  constructor(steps: Steps = []) {
    super()
    this.#steps = steps
  }

  async settled(): Promise<void> {
    await this.answers
  }

  async open(desired: DesiredState, scope: 'changes' | 'full', now: number): Promise<SnatReport> {
    this.#enter()
    await this.answers
    this.scopes.push(scope)
    const applied: Record<string, number> = {}
    for (const [key, { sourceNat }] of desired.services) {
      if (sourceNat === undefined) continue
      const target = typeof sourceNat === 'string' ? sourceNat : `${sourceNat.first}-${sourceNat.last}`
      if (!this.refused.has(key) && this.translations.get(key) !== target) {
        this.translations.set(key, target)
        this.#steps.push(`translate ${key}`)
        applied['add-element'] = (applied['add-element'] ?? 0) + 1
      }
    }
    return { applied, driftRepaired: 0, ...this.#standing(desired, now) }
  }

  async close(desired: DesiredState, still: StillServed, now: number): Promise<SnatReport> {
    this.#enter()
    const gone = [...this.translations.keys()].filter((key) => !desired.services.has(key) && !still.service(key))
    for (const key of gone) {
      this.translations.delete(key)
      this.#steps.push(`untranslate ${key}`)
    }
    const { failed, unconfirmed, wakeAt } = this.#standing(desired, now)
    const applied = gone.length > 0 ? { 'delete-element': gone.length } : {}
    return { applied, failed, driftRepaired: 0, unconfirmed, ...(wakeAt !== undefined && { wakeAt }) }
  }

  connections(): ReadonlyMap<ServiceKey, bigint> {
    return new Map([...this.translations.keys()].map((key) => [key, this.counted]))
  }

  async readConnections(): Promise<ReadonlyMap<ServiceKey, bigint>> {
    this.#enter()
    return this.connections()
  }

  async remove(): Promise<void> {
    this.#enter()
    this.translations.clear()
    this.#steps.push('no translations')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isClosed = true
  }

  /** Every half of a pass tells all that is wrong. */
  #standing(desired: DesiredState, now: number): Pick<SnatReport, 'failed' | 'unconfirmed' | 'wakeAt'> {
    const unconfirmed = new Set([...this.refused].filter((key) => desired.services.get(key)?.sourceNat !== undefined))
    const failed = [...unconfirmed].map((object) => ({
      object,
      code: 'KERNEL_REFUSED',
      message: `The translation of ${object} was refused.`,
      retryAt: now + 1_000,
    }))
    return { failed, unconfirmed, ...(failed.length > 0 && { wakeAt: now + 1_000 }) }
  }

  #enter(): void {
    if (this.broken !== undefined) throw this.broken
  }
}

/** Addresses in memory. */
export class FakeAddressSink extends Disturbable implements AddressSink {
  readonly name = 'addresses'
  readonly held = new Set<ServiceKey>()
  more: Partial<AddressFacts> = {}
  readonly scopes: string[] = []
  broken: PointsmanError | undefined
  isClosed = false
  readonly #steps: Steps

  constructor(steps: Steps = []) {
    super()
    this.#steps = steps
  }

  async withdraw(desired: DesiredState, _now: number): Promise<AddressReport> {
    this.#enter()
    return this.#take([...this.held].filter((key) => desired.services.get(key)?.virtualAddress?.announced === false))
  }

  async hold(
    desired: DesiredState,
    opened: (key: ServiceKey) => boolean,
    scope: 'changes' | 'full',
    _now: number,
  ): Promise<AddressReport> {
    this.#enter()
    this.scopes.push(scope)
    const gone = this.#take([...this.held].filter((key) => !desired.services.has(key) && !opened(key)))
    const added = [...desired.services].flatMap(([key, { virtualAddress }]) =>
      virtualAddress?.announced === true && opened(key) && !this.held.has(key) ? [key] : [],
    )
    for (const key of added) {
      this.held.add(key)
      this.#steps.push(`place ${key}`)
    }
    return { ...gone, applied: { ...gone.applied, ...(added.length > 0 && { 'add-address': added.length }) }, foreign: 1 }
  }

  facts(): AddressFacts {
    return { held: this.held.size, foreign: 1, conflicts: 0, conflictsSeen: 2, repairs: 3, announcements: 4, ...this.more }
  }

  async remove(): Promise<void> {
    this.#enter()
    this.held.clear()
    this.#steps.push('no addresses')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isClosed = true
  }

  #take(keys: readonly ServiceKey[]): AddressReport {
    for (const key of keys) {
      this.held.delete(key)
      this.#steps.push(`take ${key}`)
    }
    return {
      applied: keys.length > 0 ? { 'delete-address': keys.length } : {},
      failed: [],
      driftRepaired: 0,
      foreign: 1,
      pending: 0,
    }
  }

  #enter(): void {
    if (this.broken !== undefined) throw this.broken
  }
}

export const NO_NFT = new PointsmanError('KERNEL_REFUSED', 'There is no nft here; install nftables.')
