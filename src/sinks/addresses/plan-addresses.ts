import type { InterfaceAddress, NetworkLink } from '../../kernel/for-sinks.ts'
import { familyOf, type IpAddress, isLinkLocal } from '../../model/address.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import { type AddressRecord, type OwnedAddress, ownedKey } from '../../store/addresses.ts'
import { addressLabel, type OnLinkPrefix, onLinkPrefixes, type Placement, placeAddress } from './placement.ts'
import { type SharedAddress, sameServices } from './wanted-addresses.ts'

/** What is wanted, what is ours and what is there. */
export interface AddressSituation {
  readonly wanted: ReadonlyMap<IpAddress, SharedAddress>
  readonly record: AddressRecord
  readonly links: readonly NetworkLink[]
  readonly addresses: readonly InterfaceAddress[]
  /** Name of the link of our own. */
  readonly ownLink: string
  /** False where the kernel makes no dummy links: lo takes the place of our own. */
  readonly dummies: boolean
}

/** An address to be put on a link. */
export interface Addition {
  readonly address: IpAddress
  readonly link: NetworkLink
  readonly services: readonly ServiceKey[]
  /** It is, or was, on another link and goes from there, or from the record, once it is here. */
  readonly move: boolean
  /** Where it was ours and is no more. */
  readonly lost: readonly OwnedAddress[]
}

/** What makes the interfaces as they are wanted. Where `needsOwnLink` the plan is made again once there is one. */
export interface AddressPlan {
  readonly needsOwnLink: boolean
  readonly add: readonly Addition[]
  /** Ours and there, and right but for what else is said of them here. */
  readonly held: readonly OwnedAddress[]
  /** Held, but the director might use them as its own source. */
  readonly deprecate: readonly OwnedAddress[]
  /** Held, for other services than the record says. */
  readonly reown: readonly OwnedAddress[]
  readonly remove: readonly OwnedAddress[]
  /** Not there and not wanted there any more. */
  readonly forget: readonly OwnedAddress[]
  readonly foreign: readonly IpAddress[]
  readonly unplaced: readonly { readonly address: IpAddress; readonly reason: string }[]
  /** Links by index that addresses wait for: they are there, and nothing can be added to them yet. */
  readonly awaited: readonly number[]
  /** Links of our own: down although needed; there although not needed; recorded although not there. */
  readonly switchOn: readonly NetworkLink[]
  readonly deleteLinks: readonly NetworkLink[]
  readonly forgetLinks: readonly string[]
}

/** Plans from what was read at one moment. */
export function planAddresses(situation: AddressSituation): AddressPlan {
  return new Planning(situation).plan()
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] extends readonly (infer Item)[] ? Item[] : T[Key] }

class Planning {
  readonly #situation: AddressSituation
  readonly #links: ReadonlyMap<number, NetworkLink>
  readonly #prefixes: readonly OnLinkPrefix[]
  readonly #there: ReadonlyMap<IpAddress, readonly InterfaceAddress[]>
  readonly #owned: ReadonlyMap<IpAddress, readonly OwnedAddress[]>
  readonly #ownLink: NetworkLink | undefined
  /** By index, where an address of ours is or is to be. */
  readonly #used = new Set<number>()
  readonly #plan: Mutable<AddressPlan> = {
    needsOwnLink: false,
    add: [],
    held: [],
    deprecate: [],
    reown: [],
    remove: [],
    forget: [],
    foreign: [],
    unplaced: [],
    awaited: [],
    switchOn: [],
    deleteLinks: [],
    forgetLinks: [],
  }

  constructor(situation: AddressSituation) {
    const { links, addresses, record } = situation
    this.#situation = situation
    this.#links = new Map(links.map((link) => [link.index, link]))
    this.#prefixes = onLinkPrefixes(links, addresses)
    this.#there = Map.groupBy(addresses, ({ address }) => address)
    this.#owned = Map.groupBy(record.addresses.values(), ({ address }) => address)
    this.#ownLink = links.find(({ name }) => name === situation.ownLink)
  }

  plan(): AddressPlan {
    const { wanted } = this.#situation
    for (const [address, shared] of wanted) this.#planWanted(address, shared)
    for (const [address, owned] of this.#owned) if (!wanted.has(address)) this.#letGo(owned)
    this.#planOwnLinks()
    return this.#plan
  }

  #planWanted(address: IpAddress, shared: SharedAddress): void {
    const owned = this.#owned.get(address) ?? []
    const present = owned.filter((one) => this.#isThere(one))
    if (present.length === 0 && this.#there.has(address)) {
      this.#plan.foreign.push(address)
      this.#plan.forget.push(...owned)
      return
    }
    const current = present[0] ?? owned.find(({ link }) => this.#links.has(link))
    const placement = this.#resolve(placeAddress(address, shared.interface, this.#links, this.#prefixes, current?.link))
    if (placement.kind === 'link') this.#planOn(placement.link, address, shared, owned, present)
    else {
      if (placement.kind === 'missing') this.#plan.unplaced.push({ address, reason: placement.reason })
      else this.#plan.needsOwnLink ||= shared.open
      // It stays where it is until there is a better place.
      this.#plan.held.push(...present)
      for (const { link } of present) this.#used.add(link)
    }
  }

  #planOn(
    link: NetworkLink,
    address: IpAddress,
    shared: SharedAddress,
    owned: readonly OwnedAddress[],
    present: readonly OwnedAddress[],
  ): void {
    const { services, open } = shared
    const here = present.find((one) => one.link === link.index)
    if (here !== undefined) {
      this.#used.add(link.index)
      this.#plan.held.push(here)
      if (!sameServices(here.services, services)) this.#plan.reown.push({ ...here, services })
      if (familyOf(address) === 'ipv6' && !this.#isDeprecated(here)) this.#plan.deprecate.push(here)
      this.#letGo(owned.filter((one) => one !== here))
      return
    }
    this.#plan.held.push(...present)
    for (const one of present) this.#used.add(one.link)
    // What nobody can reach is not added, nor put back.
    if (!open) return
    this.#used.add(link.index)
    const lost = owned.filter((one) => !present.includes(one))
    const move = owned.some((one) => one.link !== link.index)
    const reason = link.index === this.#ownLink?.index ? undefined : whyNotYet(link)
    if (reason === undefined) this.#plan.add.push({ address, link, services, move, lost })
    else {
      this.#plan.unplaced.push({ address, reason })
      this.#plan.awaited.push(link.index)
    }
  }

  /** `own` is the link of our own where there is one, and lo where there can be none. */
  #resolve(placement: Placement): Placement {
    if (placement.kind !== 'own') return placement
    const { dummies, links, ownLink } = this.#situation
    const own = this.#ownLink
    if (own !== undefined && own.kind !== 'dummy') {
      return {
        kind: 'missing',
        reason: `the interface ${ownLink} is no dummy: name one in virtual_address, or rename the instance.`,
      }
    }
    if (own !== undefined) return { kind: 'link', link: own }
    if (dummies) return placement
    const loopback = links.find((link) => link.loopback)
    return loopback === undefined
      ? { kind: 'missing', reason: 'this network namespace has no lo.' }
      : { kind: 'link', link: loopback }
  }

  #letGo(owned: readonly OwnedAddress[]): void {
    for (const one of owned) (this.#isThere(one) ? this.#plan.remove : this.#plan.forget).push(one)
  }

  #planOwnLinks(): void {
    const { record, links, ownLink } = this.#situation
    const own = this.#ownLink
    if (own !== undefined && !own.up && this.#used.has(own.index)) this.#plan.switchOn.push(own)
    // Those of earlier names of the instance too.
    for (const name of record.links) {
      const link = links.find((one) => one.name === name)
      if (link === undefined) {
        if (!(name === ownLink && this.#plan.needsOwnLink)) this.#plan.forgetLinks.push(name)
      } else if (link.kind !== 'dummy') this.#plan.forgetLinks.push(name)
      else if (!this.#used.has(link.index) && !this.#hasForeign(link)) this.#plan.deleteLinks.push(link)
      else if (this.#used.has(link.index) && !link.up && link !== own) this.#plan.switchOn.push(link)
    }
  }

  #isThere(owned: OwnedAddress): boolean {
    return this.#reading(owned) !== undefined
  }

  #isDeprecated(owned: OwnedAddress): boolean {
    return this.#reading(owned)?.deprecated === true
  }

  /** Ours is the address alone, with our label where it has room: the same one with a network, or without the label, is somebody else's. */
  #reading({ address, link }: OwnedAddress): InterfaceAddress | undefined {
    const host = familyOf(address) === 'ipv4' ? 32 : 128
    const label = addressLabel(address, this.#links.get(link)?.name ?? '')
    const isOurs = (one: InterfaceAddress) => one.prefixLength === host && (label === undefined || one.label === label)
    return this.#there.get(address)?.find((one) => one.link === link && isOurs(one))
  }

  #hasForeign(link: NetworkLink): boolean {
    const { addresses, record } = this.#situation
    return addresses.some((one) => one.link === link.index && !isLinkLocal(one.address) && !record.addresses.has(ownedKey(one)))
  }
}

/** A bridge without a carrier has no ports, and so nobody who could hold anything. */
function whyNotYet({ name, kind, up, carrier, neighbourAddress }: NetworkLink): string | undefined {
  if (!up) return `the interface ${name} is down: set it up (ip link set ${name} up).`
  if (carrier || neighbourAddress === undefined || kind === 'bridge') return undefined
  return `the interface ${name} has no carrier, so that nobody can be asked who holds it: look at its cable, or at what it stands on.`
}
