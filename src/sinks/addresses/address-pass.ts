import { PointsmanError } from '../../errors.ts'
import { failpoint } from '../../failpoint.ts'
import type { InterfaceAddress, NetworkLink } from '../../kernel/for-sinks.ts'
import type { IpAddress } from '../../model/address.ts'
import { type AddressEdit, type OwnedAddress, ownedKey } from '../../store/addresses.ts'
import { type AddressTools, type AddressWrites, additionKey, ownedOf } from './address-writes.ts'
import { type Addition, type AddressPlan, planAddresses } from './plan-addresses.ts'
import { type SharedAddress, sameServices } from './wanted-addresses.ts'

/** Plans that are made in one pass: for our own link, for what moves, and one that finds nothing more to do. */
const ROUNDS = 4

/** Brings the interfaces into the wanted state, once. */
export class AddressPass {
  readonly #tools: AddressTools
  readonly #writes: AddressWrites
  readonly #wanted: ReadonlyMap<IpAddress, SharedAddress>
  readonly #now: number
  /** Taken by others meanwhile, so not ours any more if they ever were. */
  readonly #refused: OwnedAddress[] = []

  constructor(tools: AddressTools, writes: AddressWrites, wanted: ReadonlyMap<IpAddress, SharedAddress>, now: number) {
    this.#tools = tools
    this.#writes = writes
    this.#wanted = wanted
    this.#now = now
  }

  /** Rejects where the interfaces cannot be read. */
  async run(): Promise<void> {
    const { memory } = this.#tools
    // A disturbance while the pass runs stays one.
    memory.disturbed = false
    const forgetUntaken = memory.probes.forgetUntaken()
    try {
      for (let round = 0; round < ROUNDS; round++) if (!(await this.#round())) break
    } catch (error) {
      memory.disturbed = true
      throw error
    }
    forgetUntaken()
  }

  /** True where another one is due at once. */
  async #round(): Promise<boolean> {
    const { kernel, store, memory, ownLink } = this.#tools
    const links = await kernel.readLinks()
    const addresses = await kernel.readAddresses()
    const { record } = store
    const plan = planAddresses({ wanted: this.#wanted, record, links, addresses, ownLink, dummies: memory.dummies })
    this.#learn(plan, links, addresses)
    const writes = this.#writes
    if (plan.needsOwnLink && (await writes.makeOwnLink())) return true
    await writes.switchOn(plan.switchOn)
    if (await this.#giveUpTaken(plan.held, links)) return true
    const add = this.#ready(plan, links)
    if (!(await this.#recordIntents(add, plan))) return false
    const missed = await writes.addAll(add)
    await writes.deprecateAll(plan.deprecate)
    const deleted = await writes.deleteAll(plan.remove, links)
    await writes.forget([...plan.forget, ...deleted, ...missed, ...this.#refused])
    await writes.dropLinks(plan.deleteLinks, plan.forgetLinks)
    this.#forgetFailures(plan)
    return add.some((one) => one.move && memory.held.has(additionKey(one)))
  }

  /** What was read, as against what was last known. */
  #learn(
    { held, remove, foreign, awaited }: AddressPlan,
    links: readonly NetworkLink[],
    addresses: readonly InterfaceAddress[],
  ): void {
    const { memory, log } = this.#tools
    const before = memory.links
    memory.present = held.length + remove.length
    memory.awaited = new Set(awaited)
    memory.links = new Map(links.map((link) => [link.index, link]))
    for (const owned of held) {
      memory.held.add(ownedKey(owned))
      const [was, is] = [before.get(owned.link), memory.links.get(owned.link)]
      if (was === undefined) continue
      if (is?.carrier === true && !was.carrier) memory.doubted.add(ownedKey(owned))
      else if (was.neighbourAddress !== is?.neighbourAddress) memory.announcements.begin(owned.address, owned.link)
    }
    const keys = new Set(held.map(ownedKey))
    for (const key of memory.doubted) if (!keys.has(key)) memory.doubted.delete(key)
    for (const address of foreign) {
      if (memory.foreign.has(address)) continue
      const on = addresses.filter((one) => one.address === address).map(({ link }) => memory.links.get(link)?.name)
      log?.info(
        { address, interface: on[0] },
        `The address ${address} is on ${on.join(', ')} already and is left to whoever put it there.`,
      )
    }
    memory.foreign = new Set(foreign)
    for (const address of memory.conflicts) if (!this.#wanted.has(address)) memory.conflicts.delete(address)
  }

  /**
   * Whoever has no carrier hears nobody: an address whose link has one again is announced once no neighbour holds it, and taken off where one does. True where one was: whether
   * it can be added again is asked from now on.
   */
  async #giveUpTaken(held: readonly OwnedAddress[], links: readonly NetworkLink[]): Promise<boolean> {
    const { memory, log } = this.#tools
    const taken: OwnedAddress[] = []
    const unasked: { address: IpAddress; link: NetworkLink }[] = []
    for (const owned of held) {
      const { address } = owned
      const link = memory.links.get(owned.link)
      if (!memory.doubted.has(ownedKey(owned)) || link?.carrier !== true) continue
      const verdict = link.neighbourAddress === undefined ? ({ kind: 'free' } as const) : memory.probes.verdict(address, link)
      if (verdict.kind === 'unasked') unasked.push({ address, link })
      else if (verdict.kind === 'held') {
        const detail = { address, interface: link.name, holder: verdict.holder }
        const message = `The address ${address} is taken off ${link.name}, because the host with the hardware address ${verdict.holder} has had it since the interface lost its carrier.`
        memory.conflictsSeen++
        log?.error({ code: 'ADDRESS_CONFLICT', ...detail }, message)
        taken.push(owned)
      } else if (verdict.kind !== 'asking') {
        memory.doubted.delete(ownedKey(owned))
        memory.announcements.begin(address, owned.link)
      }
    }
    this.#ask(unasked, links)
    const gone = await this.#writes.deleteAll(taken, links)
    await this.#writes.forget(gone)
    return gone.length > 0
  }

  /** The additions that can be made now: about the others the neighbours are asked, or have said no. */
  #ready({ add, unplaced }: AddressPlan, links: readonly NetworkLink[]): Addition[] {
    const { memory } = this.#tools
    for (const { address, reason } of unplaced) {
      if (memory.backoff.holds(address, 'unplaced', this.#now)) continue
      const error = new PointsmanError('ADDRESS_UNPLACED', `The address ${address} cannot be added: ${reason}`)
      this.#writes.fail(address, 'unplaced', error)
    }
    const ready: Addition[] = []
    const unasked: Addition[] = []
    for (const addition of add) {
      const { address, link } = addition
      if (memory.backoff.holds(address, link.index, this.#now)) continue
      const verdict = link.neighbourAddress === undefined ? ({ kind: 'free' } as const) : memory.probes.verdict(address, link)
      if (verdict.kind === 'free') ready.push(addition)
      else if (verdict.kind === 'held') this.#refuse(addition, verdict.holder)
      else if (verdict.kind === 'failed') this.#writes.fail(address, link.index, verdict.cause)
      else if (verdict.kind === 'unasked') unasked.push(addition)
    }
    this.#ask(unasked, links)
    return ready
  }

  #ask(unasked: readonly { readonly address: IpAddress; readonly link: NetworkLink }[], links: readonly NetworkLink[]): void {
    const ours = new Set(links.flatMap(({ neighbourAddress }) => neighbourAddress ?? []))
    for (const [link, questions] of Map.groupBy(unasked, (question) => question.link)) {
      const addresses = questions.map(({ address }) => address)
      this.#tools.memory.probes.ask(link, addresses, ours)
    }
  }

  #refuse({ address, link, lost }: Addition, holder: string): void {
    const { memory, log } = this.#tools
    const error = new PointsmanError(
      'ADDRESS_CONFLICT',
      `The address ${address} is not added to ${link.name}, because the host with the hardware address ${holder} holds it there: take it off that host (a real server of direct routing needs arp_ignore=1), or off the configuration.`,
      { detail: { address, interface: link.name, holder } },
    )
    memory.conflicts.add(address)
    memory.conflictsSeen++
    this.#refused.push(...lost)
    log?.error({ code: error.code, ...error.detail }, error.message)
    memory.backoff.fail(address, address, link.index, this.#now, error)
  }

  /** Before anything is added it is known to be ours. False where that cannot be written: nothing is added or deleted then. */
  async #recordIntents(add: readonly Addition[], { reown }: AddressPlan): Promise<boolean> {
    const { record } = this.#tools.store
    const edits: AddressEdit[] = reown.map((owned) => ({ do: 'own-address', ...owned }))
    for (const one of add) {
      const known = record.addresses.get(additionKey(one))
      if (known === undefined || !sameServices(known.services, one.services)) edits.push({ do: 'own-address', ...ownedOf(one) })
    }
    if (edits.length === 0) return true
    failpoint('addresses.before-intent-record')
    try {
      await this.#tools.store.write(edits)
    } catch (error) {
      for (const { address, link } of add) this.#writes.fail(address, link.index, error)
      if (add.length === 0) this.#writes.fail('record', 'record', error)
      return false
    }
    this.#tools.memory.backoff.clear('record')
    failpoint('addresses.after-intent-record')
    return true
  }

  /** What nothing is to be done about any more has not failed. */
  #forgetFailures({ add, unplaced, remove, deprecate, deleteLinks, switchOn, needsOwnLink }: AddressPlan): void {
    const { backoff } = this.#tools.memory
    const open = new Set<string>([...add, ...unplaced, ...remove, ...deprecate].map(({ address }) => address))
    for (const { name } of [...deleteLinks, ...switchOn]) open.add(name)
    if (needsOwnLink) open.add(this.#tools.ownLink)
    for (const owner of backoff.owners()) if (owner !== 'record' && !open.has(owner)) backoff.clear(owner)
  }
}
