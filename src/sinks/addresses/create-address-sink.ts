import { PointsmanError } from '../../errors.ts'
import type { RouteEvent, RouteKernel } from '../../kernel/for-sinks.ts'
import type { IpAddress } from '../../model/address.ts'
import type { DesiredState } from '../../model/desired-state.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import { type AddressStore, ownedKey } from '../../store/addresses.ts'
import type { SinkLog } from '../ipvs/transition.ts'
import { AddressPass } from './address-pass.ts'
import type { AddressFacts, AddressReport, AddressSink } from './address-sink.ts'
import { type AddressTools, AddressWrites, linkKey } from './address-writes.ts'
import { ANNOUNCE_TIMES } from './announcements.ts'
import { ConflictProbes } from './conflict-probes.ts'
import { AddressMemory } from './memory.ts'
import { ownLinkName } from './placement.ts'
import { sameWanted, wantedAddresses, withdrawnAddresses } from './wanted-addresses.ts'

export interface AddressSinkOptions {
  readonly kernel: RouteKernel
  readonly store: AddressStore
  /** Gives the dummy link of our own its name. */
  readonly instance: string
  readonly log?: SinkLog
  /** 0 up to 1, for the jitter of retries; Math.random by default. */
  readonly random?: () => number
  /** Milliseconds that only grow; performance.now by default. */
  readonly clock?: () => number
  /** Does the work after so many milliseconds and gives a way to call it off; a timer that keeps no process alive by default. */
  readonly schedule?: (milliseconds: number, work: () => void) => () => void
}

/** Milliseconds in which disturbances become one. */
const GATHER = 50

export function createAddressSink(options: AddressSinkOptions): AddressSink {
  return new InterfaceAddresses(options)
}

class InterfaceAddresses implements AddressSink {
  readonly name = 'addresses'
  readonly #tools: AddressTools
  readonly #memory: AddressMemory
  readonly #schedule: (milliseconds: number, work: () => void) => () => void
  readonly #listeners = new Set<() => void>()
  #stopListening: (() => void) | undefined
  #telling: (() => void) | undefined
  #lastCall = 0

  constructor({ kernel, store, instance, log, random, clock, schedule }: AddressSinkOptions) {
    const probes = new ConflictProbes(kernel, clock ?? (() => performance.now()))
    this.#memory = new AddressMemory(random ?? Math.random, probes)
    this.#tools = { kernel, store, memory: this.#memory, ownLink: ownLinkName(instance), log }
    this.#schedule = schedule ?? timer
    sayWhatWasLost(store, log)
  }

  async withdraw(desired: DesiredState, now: number): Promise<AddressReport> {
    this.#lastCall = now
    const withdrawn = withdrawnAddresses(desired, this.#tools.store.record)
    const writes = new AddressWrites(this.#tools, now)
    if (withdrawn.length > 0) {
      const links = await this.#tools.kernel.readLinks()
      await writes.forget(await writes.deleteAll(withdrawn, links))
    }
    return this.#report(writes, now)
  }

  async hold(
    desired: DesiredState,
    opened: (key: ServiceKey) => boolean,
    scope: 'changes' | 'full',
    now: number,
  ): Promise<AddressReport> {
    const memory = this.#memory
    this.#lastCall = now
    const wanted = wantedAddresses(desired, opened, this.#tools.store.record)
    const writes = new AddressWrites(this.#tools, now)
    const same = memory.wanted !== undefined && sameWanted(wanted, memory.wanted)
    const open = memory.disturbed || memory.probes.answered || memory.backoff.due(now).size > 0
    if (scope === 'full' || !same || open) {
      await new AddressPass(this.#tools, writes, wanted, now).run()
      memory.wanted = wanted
    }
    await this.#announce(writes, now)
    return this.#report(writes, now)
  }

  async remove(): Promise<void> {
    const memory = this.#memory
    memory.backoff.clearAll()
    memory.wanted = undefined
    const writes = new AddressWrites(this.#tools, this.#lastCall)
    await new AddressPass(this.#tools, writes, new Map(), this.#lastCall).run()
    const failed = memory.backoff.list()
    if (failed.length === 0) return
    const stayed = failed.map(({ message }) => message).join(' ')
    throw new PointsmanError('APPLY_FAILED', `Not every virtual address could be taken off its interface: ${stayed}`)
  }

  onDisturbed(listener: () => void): () => void {
    this.#listeners.add(listener)
    this.#stopListening ??= this.#tools.kernel.onEvent((event) => this.#heard(event))
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) this.#endListening()
    }
  }

  facts(): AddressFacts {
    const { present: held, foreign, conflicts, conflictsSeen, repairs, announced: announcements } = this.#memory
    return { held, foreign: foreign.size, conflicts: conflicts.size, conflictsSeen, repairs, announcements }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The kernel and the record belong to whoever handed them in.
    this.#listeners.clear()
    this.#endListening()
  }

  #endListening(): void {
    this.#stopListening?.()
    this.#stopListening = undefined
    this.#telling?.()
    this.#telling = undefined
  }

  #heard(event: RouteEvent): void {
    if (!this.#matters(event)) return
    this.#memory.disturbed = true
    this.#telling ??= this.#schedule(GATHER, () => {
      this.#telling = undefined
      for (const listener of this.#listeners) listener()
    })
  }

  /** Whether what happened to the interfaces happened to us, and was not our own doing. */
  #matters(event: RouteEvent): boolean {
    const { store, memory, ownLink } = this.#tools
    switch (event.kind) {
      case 'lost':
        return true
      case 'address-gone': {
        const key = ownedKey(event)
        return !memory.deletedByUs.delete(key) && store.record.addresses.has(key)
      }
      case 'link-gone':
        if (memory.deletedByUs.delete(linkKey(event.index))) return false
        return this.#hasAddressOn(event.index) || (event.name === ownLink && store.record.links.has(ownLink))
      case 'link': {
        const known = memory.links.get(event.index)
        if (known !== undefined && known.up === event.up && known.carrier === event.carrier) return false
        return memory.awaited.has(event.index) || this.#hasAddressOn(event.index) || this.#isWanted(event.name)
      }
    }
  }

  #hasAddressOn(index: number): boolean {
    for (const { link } of this.#tools.store.record.addresses.values()) if (link === index) return true
    return false
  }

  /** A configured interface is waited for. */
  #isWanted(name: string): boolean {
    for (const shared of this.#memory.wanted?.values() ?? []) if (shared.interface === name) return true
    return false
  }

  async #announce(writes: AddressWrites, now: number): Promise<void> {
    const { kernel, memory, log } = this.#tools
    for (const [index, addresses] of memory.announcements.take(now)) {
      const link = memory.links.get(index)
      if (link?.neighbourAddress === undefined || !link.up) continue
      try {
        const sent = await kernel.announce(link, addresses, ANNOUNCE_TIMES)
        memory.announced += sent
        writes.count('announce', sent)
      } catch (error) {
        if (!(error instanceof PointsmanError)) throw error
        log?.warn({ code: error.code, interface: link.name, addresses: addresses satisfies readonly IpAddress[] }, error.message)
      }
    }
  }

  #report({ applied, driftRepaired }: AddressWrites, now: number): AddressReport {
    const { backoff, probes, announcements, foreign } = this.#memory
    const failed = backoff.list()
    // A failure whose time has come is being tried; the answer of the neighbours ends that.
    const times = failed.map(({ retryAt }) => retryAt).filter((at) => at > now)
    if (probes.wait !== undefined) times.push(now + probes.wait)
    if (announcements.next !== undefined) times.push(announcements.next)
    const wakeAt = times.length === 0 ? undefined : Math.max(now + 1, Math.min(...times))
    return {
      applied,
      failed,
      driftRepaired,
      foreign: foreign.size,
      pending: probes.pending,
      ...(wakeAt !== undefined && { wakeAt }),
    }
  }
}

function timer(milliseconds: number, work: () => void): () => void {
  const running = setTimeout(work, milliseconds).unref()
  return () => clearTimeout(running)
}

/** Without its record the sink cannot tell what an earlier run added. */
function sayWhatWasLost({ origin, path }: AddressStore, log: SinkLog | undefined): void {
  if (origin.kind !== 'corrupt') return
  log?.error(
    { origin },
    `The record of virtual addresses was unreadable (${origin.reason}) and was set aside as ${origin.setAside ?? path}: addresses that an earlier run added are foreign now; take those that are not wanted off with \`ip address del\`.`,
  )
}
