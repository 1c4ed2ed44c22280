import { PointsmanError } from '../../errors.ts'
import { failpoint } from '../../failpoint.ts'
import type { NetworkLink, RouteKernel } from '../../kernel/for-sinks.ts'
import { type AddressEdit, type AddressStore, type OwnedAddress, ownedKey } from '../../store/addresses.ts'
import type { SinkLog } from '../ipvs/transition.ts'
import type { AddressMemory } from './memory.ts'
import { addressLabel } from './placement.ts'
import type { Addition } from './plan-addresses.ts'

export interface AddressTools {
  readonly kernel: RouteKernel
  readonly store: AddressStore
  readonly memory: AddressMemory
  readonly ownLink: string
  readonly log: SinkLog | undefined
}

/** What the kernel says when what is to be deleted is not there. */
const GONE: ReadonlySet<unknown> = new Set(['EADDRNOTAVAIL', 'ENODEV'])

/** What a pass writes to the interfaces and to the record. What fails is in the back-off and stops nothing else. */
export class AddressWrites {
  readonly applied: Record<string, number> = {}
  driftRepaired = 0
  readonly #tools: AddressTools
  readonly #now: number

  constructor(tools: AddressTools, now: number) {
    this.#tools = tools
    this.#now = now
  }

  /** True where the plan has to be made again. */
  async makeOwnLink(): Promise<boolean> {
    const { kernel, store, memory, ownLink, log } = this.#tools
    if (memory.backoff.holds(ownLink, 'link', this.#now)) return false
    try {
      if (!store.record.links.has(ownLink)) await store.write([{ do: 'own-link', name: ownLink }])
    } catch (error) {
      this.fail(ownLink, 'link', error)
      return false
    }
    try {
      await kernel.addDummyLink(ownLink)
      memory.backoff.clear(ownLink)
      this.count('add-link')
      return true
    } catch (error) {
      await this.#edit([{ do: 'forget-link', name: ownLink }])
      const errno = errnoOf(error)
      if (errno === 'EEXIST') return true
      if (errno !== 'ENOTSUP') {
        this.fail(ownLink, 'link', error)
        return false
      }
      memory.dummies = false
      log?.warn({}, 'This kernel makes no dummy interfaces: virtual addresses of no network on an interface go to lo.')
      return true
    }
  }

  /** Links of our own that somebody switched off. */
  async switchOn(links: readonly NetworkLink[]): Promise<void> {
    for (const { index, name } of links) {
      await this.#attempt(name, 'link', async () => {
        await this.#tools.kernel.switchOn(index)
        this.count('switch-on-link')
        this.#repaired({ interface: name }, `The interface ${name} was down and is up again.`)
      })
    }
  }

  /** Gives those that are not ours after all. */
  async addAll(add: readonly Addition[]): Promise<OwnedAddress[]> {
    const missed: OwnedAddress[] = []
    for (const addition of add) {
      const { address, link } = addition
      try {
        const label = addressLabel(address, link.name)
        await this.#tools.kernel.addAddress({ address, link: link.index, ...(label !== undefined && { label }) })
        this.#added(addition)
      } catch (error) {
        missed.push(ownedOf(addition))
        // Somebody was faster, and it is theirs: the next pass sees it.
        if (errnoOf(error) !== 'EEXIST') this.fail(address, link.index, error)
      }
    }
    if (add.length > 0) failpoint('addresses.after-additions')
    return missed
  }

  #added(addition: Addition): void {
    const { memory, log } = this.#tools
    const { address, link, services, lost } = addition
    memory.backoff.clear(address)
    memory.conflicts.delete(address)
    memory.announcements.begin(address, link.index)
    this.count('add-address')
    if (lost.some((one) => memory.held.has(ownedKey(one))))
      this.#repaired({ address, interface: link.name }, `The address ${address} was taken off ${link.name} and is back.`)
    else log?.info({ address, interface: link.name, services }, `The address ${address} is on ${link.name} now.`)
    memory.held.add(additionKey(addition))
    memory.present++
  }

  async deprecateAll(deprecate: readonly OwnedAddress[]): Promise<void> {
    for (const { address, link, linkName } of deprecate) {
      await this.#attempt(address, `deprecate on ${link}`, async () => {
        await this.#tools.kernel.deprecateAddress({ address, link })
        this.count('deprecate-address')
        const sentence = `The address ${address} on ${linkName} could have become the director's own source and is deprecated again.`
        this.#repaired({ address, interface: linkName }, sentence)
      })
    }
  }

  /** Gives those that are not there any more. The links as they are now. */
  async deleteAll(remove: readonly OwnedAddress[], links: readonly NetworkLink[]): Promise<OwnedAddress[]> {
    const { memory, log } = this.#tools
    const gone: OwnedAddress[] = []
    for (const owned of remove) {
      const { address, link, linkName } = owned
      await this.#attempt(address, `delete from ${link}`, async () => {
        memory.announcements.cancel(address, link)
        if (!(await this.#delete(owned, links))) {
          log?.info({ address, interface: linkName }, `The address ${address} is off ${linkName} now.`)
          this.count('delete-address')
        }
        gone.push(owned)
      })
    }
    if (remove.length > 0) failpoint('addresses.after-deletions')
    return gone
  }

  /** True where it was not there. One that somebody put there in place of ours has another label, and stays. */
  async #delete(owned: OwnedAddress, links: readonly NetworkLink[]): Promise<boolean> {
    const { kernel, memory } = this.#tools
    const { address, link, linkName } = owned
    // A label follows the name of its link.
    const label = addressLabel(address, links.find(({ index }) => index === link)?.name ?? linkName)
    memory.deletedByUs.add(ownedKey(owned))
    try {
      await kernel.deleteAddress({ address, link, ...(label !== undefined && { label }) })
      memory.present--
      return false
    } catch (error) {
      memory.deletedByUs.delete(ownedKey(owned))
      if (GONE.has(errnoOf(error))) return true
      throw error
    }
  }

  /** What is not there and not to be there. */
  async forget(gone: readonly OwnedAddress[]): Promise<void> {
    const { store, memory } = this.#tools
    const edits: AddressEdit[] = []
    for (const owned of gone) {
      memory.held.delete(ownedKey(owned))
      const { address, link } = owned
      if (store.record.addresses.has(ownedKey(owned))) edits.push({ do: 'forget-address', address, link })
    }
    if (edits.length === 0) return
    await this.#edit(edits)
    failpoint('addresses.after-forget-record')
  }

  /** Links of our own that nobody needs, and names of those that are not there. */
  async dropLinks(deleteLinks: readonly NetworkLink[], forgetLinks: readonly string[]): Promise<void> {
    const { kernel, memory } = this.#tools
    const edits: AddressEdit[] = forgetLinks.map((name) => ({ do: 'forget-link', name }))
    for (const { name, index } of deleteLinks) {
      await this.#attempt(name, 'link', async () => {
        memory.deletedByUs.add(linkKey(index))
        try {
          await kernel.deleteLink(index)
        } catch (error) {
          memory.deletedByUs.delete(linkKey(index))
          if (!GONE.has(errnoOf(error))) throw error
        }
        this.count('delete-link')
        edits.push({ do: 'forget-link', name })
      })
    }
    await this.#edit(edits)
  }

  /** An edit that says less than is so: without it the next pass does it again. */
  async #edit(edits: readonly AddressEdit[]): Promise<void> {
    if (edits.length === 0) return
    await this.#attempt('record', 'record', () => this.#tools.store.write(edits))
  }

  async #attempt(object: string, wanted: unknown, work: () => Promise<void>): Promise<void> {
    const { backoff } = this.#tools.memory
    if (backoff.holds(object, wanted, this.#now)) return
    try {
      await work()
      backoff.clear(object)
    } catch (error) {
      this.fail(object, wanted, error)
    }
  }

  fail(object: string, wanted: unknown, cause: unknown): void {
    const { memory, log } = this.#tools
    const error = cause instanceof PointsmanError ? cause : new PointsmanError('INTERNAL', String(cause), { cause })
    log?.warn({ code: error.code, object }, error.message)
    memory.backoff.fail(object, object, wanted, this.#now, error)
  }

  #repaired(detail: object, sentence: string): void {
    this.driftRepaired++
    this.#tools.memory.repairs++
    this.#tools.log?.warn({ ...detail, cause: 'drift' }, sentence)
  }

  count(kind: string, times = 1): void {
    this.applied[kind] = (this.applied[kind] ?? 0) + times
  }
}

/** An addition as the record has it. */
export function ownedOf({ address, link, services }: Addition): OwnedAddress {
  return { address, link: link.index, linkName: link.name, services }
}

export function additionKey({ address, link }: Addition): string {
  return ownedKey({ address, link: link.index })
}

/** As it is in `deletedByUs`. */
export function linkKey(index: number): string {
  return `link ${index}`
}

function errnoOf(error: unknown): unknown {
  return error instanceof PointsmanError ? error.detail['errno'] : undefined
}
