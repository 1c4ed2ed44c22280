import { PointsmanError } from '../../src/errors.ts'
import type {
  AddressOnLink,
  InterfaceAddress,
  NetworkLink,
  NewAddress,
  RouteEvent,
  RouteKernel,
} from '../../src/kernel/for-sinks.ts'
import { familyOf, type IpAddress, parseAddress } from '../../src/model/address.ts'

export function ip(text: string): IpAddress {
  const address = parseAddress(text)
  if (address === undefined) throw new Error(`${text} is no address`)
  return address
}

export function networkLink(name: string, index: number, more: Partial<NetworkLink> = {}): NetworkLink {
  const neighbourAddress = `02:00:00:00:00:${index.toString(16).padStart(2, '0')}`
  return { name, index, up: true, carrier: true, loopback: false, neighbourAddress, ...more }
}

export const LO: NetworkLink = { name: 'lo', index: 1, up: true, carrier: true, loopback: true }

/** `10.0.0.5/24` on a link by index. */
export function interfaceAddress(link: number, text: string, more: Partial<InterfaceAddress> = {}): InterfaceAddress {
  const [address = '', length = ''] = text.split('/')
  return { link, address: ip(address), prefixLength: Number(length), deprecated: false, ...more }
}

/** Interfaces in memory that answer with the errors of Linux, with neighbours that hold what `holders` says. */
export class FakeRouteKernel implements RouteKernel {
  readonly links = new Map<number, NetworkLink>([[LO.index, LO]])
  addresses: InterfaceAddress[] = [interfaceAddress(LO.index, '127.0.0.1/8'), interfaceAddress(LO.index, '::1/128')]
  /** Who else holds an address, by hardware address. */
  readonly holders = new Map<IpAddress, string>()
  dummies = true
  /** Every write in a word: `add 10.0.0.1 eth0`. */
  readonly writes: string[] = []
  /** `10.0.0.1 eth0 5` */
  readonly announced: string[] = []
  readonly asked: IpAddress[] = []
  reads = 0
  /** An errno refuses a write, in the words of `writes`. */
  refuse: (write: string) => string | undefined = () => undefined
  /** Called before each write. */
  onWrite: (write: string) => void = () => undefined
  /** Answers wait for it. */
  answers: Promise<unknown> = Promise.resolve()
  readonly #listeners = new Set<(event: RouteEvent) => void>()
  #nextIndex = 100

  async readLinks(): Promise<readonly NetworkLink[]> {
    this.reads++
    return [...this.links.values()]
  }

  async readAddresses(): Promise<readonly InterfaceAddress[]> {
    return [...this.addresses]
  }

  async addAddress({ address, link, label }: NewAddress): Promise<void> {
    this.#write(`add ${address} ${this.#nameOf(link)}`)
    if (!this.links.has(link)) throw refused('ENODEV')
    const prefixLength = hostLength(address)
    if (this.#find(address, link, prefixLength) !== undefined) throw refused('EEXIST')
    const ipv6 = familyOf(address) === 'ipv6'
    this.addresses.push({ link, address, prefixLength, deprecated: ipv6, ...(label !== undefined && { label }) })
  }

  async deprecateAddress({ address, link }: AddressOnLink): Promise<void> {
    this.#write(`deprecate ${address} ${this.#nameOf(link)}`)
    const found = this.#find(address, link, hostLength(address))
    if (found === undefined) throw refused('EADDRNOTAVAIL')
    this.addresses[this.addresses.indexOf(found)] = { ...found, deprecated: true }
  }

  async deleteAddress({ address, link, label }: NewAddress): Promise<void> {
    this.#write(`delete ${address} ${this.#nameOf(link)}`)
    const found = this.#find(address, link, hostLength(address))
    if (found === undefined || (label !== undefined && found.label !== label)) throw refused('EADDRNOTAVAIL')
    this.takeOff(address, link)
  }

  async addDummyLink(name: string): Promise<void> {
    this.#write(`add-link ${name}`)
    if (!this.dummies) throw refused('ENOTSUP')
    if ([...this.links.values()].some((link) => link.name === name)) throw refused('EEXIST')
    this.plug({ name, index: this.#nextIndex++, up: true, carrier: true, loopback: false, kind: 'dummy' })
  }

  async switchOn(index: number): Promise<void> {
    this.#write(`switch-on ${this.#nameOf(index)}`)
    const link = this.links.get(index)
    if (link === undefined) throw refused('ENODEV')
    this.plug({ ...link, up: true })
  }

  async deleteLink(index: number): Promise<void> {
    this.#write(`delete-link ${this.#nameOf(index)}`)
    if (!this.links.has(index)) throw refused('ENODEV')
    this.unplug(index)
  }

  async findHolders(_: NetworkLink, addresses: readonly IpAddress[]): Promise<ReadonlyMap<IpAddress, string>> {
    this.asked.push(...addresses)
    await this.answers
    return new Map([...this.holders].filter(([address]) => addresses.includes(address)))
  }

  async announce(link: NetworkLink, addresses: readonly IpAddress[], times: number): Promise<number> {
    for (const address of addresses) this.announced.push(`${address} ${link.name} ${times}`)
    return addresses.length * times
  }

  onEvent(listener: (event: RouteEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear()
  }

  /** What somebody else does: a link that comes or changes. */
  plug(link: NetworkLink): void {
    this.links.set(link.index, link)
    const { index, name, up, carrier } = link
    this.say({ kind: 'link', index, name, up, carrier })
  }

  unplug(index: number): void {
    const name = this.#nameOf(index)
    for (const { address, link } of [...this.addresses]) if (link === index) this.takeOff(address, link)
    this.links.delete(index)
    this.say({ kind: 'link-gone', index, name })
  }

  /** False where it is not there. */
  takeOff(address: IpAddress, link: number): boolean {
    const found = this.addresses.find((one) => one.address === address && one.link === link)
    if (found === undefined) return false
    this.addresses = this.addresses.filter((one) => one !== found)
    this.say({ kind: 'address-gone', link, address })
    return true
  }

  say(event: RouteEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  /** `10.0.0.1 eth0`, sorted, of addresses without a network. */
  get hosts(): string[] {
    return this.addresses
      .filter(
        ({ address, prefixLength, link }) => prefixLength === hostLength(address) && !(link === LO.index && address === '::1'),
      )
      .map(({ address, link }) => `${address} ${this.#nameOf(link)}`)
      .sort()
  }

  #find(address: IpAddress, link: number, prefixLength: number): InterfaceAddress | undefined {
    return this.addresses.find((one) => one.address === address && one.link === link && one.prefixLength === prefixLength)
  }

  #nameOf(index: number): string {
    return this.links.get(index)?.name ?? String(index)
  }

  #write(text: string): void {
    this.onWrite(text)
    this.writes.push(text)
    const errno = this.refuse(text)
    if (errno !== undefined) throw refused(errno)
  }
}

function hostLength(address: IpAddress): number {
  return familyOf(address) === 'ipv4' ? 32 : 128
}

function refused(errno: string): PointsmanError {
  return new PointsmanError('KERNEL_REFUSED', `The kernel refused (${errno}).`, { detail: { errno } })
}
