import { PointsmanError } from '../errors.ts'
import { familyOf } from '../model/address.ts'
import type { Host } from './host.ts'

type Routes = ReturnType<Host['openRoutes']>
type Links = Awaited<ReturnType<Routes['readLinks']>>
type Addresses = Awaited<ReturnType<Routes['readAddresses']>>
type Address = Addresses[number]

/**
 * The interfaces as they would be: what is written is remembered and goes nowhere. Neighbours are not asked, for a plan is not to send packets; so the
 * interfaces have none.
 */
export function pretendedRoutes(kernel: Pick<Routes, 'readLinks' | 'readAddresses'>): Routes {
  return new PretendedRoutes(kernel)
}

class PretendedRoutes implements Routes {
  readonly #kernel: Pick<Routes, 'readLinks' | 'readAddresses'>
  #links: Links | undefined
  #addresses: Addresses | undefined

  constructor(kernel: Pick<Routes, 'readLinks' | 'readAddresses'>) {
    this.#kernel = kernel
  }

  async readLinks(): Promise<Links> {
    this.#links ??= (await this.#kernel.readLinks()).map(({ neighbourAddress: _, ...link }) => link)
    return this.#links
  }

  async readAddresses(): Promise<Addresses> {
    this.#addresses ??= await this.#kernel.readAddresses()
    return this.#addresses
  }

  async addAddress(added: Parameters<Routes['addAddress']>[0]): Promise<void> {
    const ipv4 = familyOf(added.address) === 'ipv4'
    this.#addresses = [...(await this.readAddresses()), { ...added, prefixLength: ipv4 ? 32 : 128, deprecated: !ipv4 }]
  }

  async deprecateAddress(at: Parameters<Routes['deprecateAddress']>[0]): Promise<void> {
    const addresses = await this.readAddresses()
    this.#addresses = addresses.map((one) => (isOn(one, at) ? { ...one, deprecated: true } : one))
  }

  async deleteAddress({ label, ...at }: Parameters<Routes['deleteAddress']>[0]): Promise<void> {
    const addresses = await this.readAddresses()
    const found = addresses.find((one) => isOn(one, at) && (label === undefined || one.label === label))
    if (found === undefined)
      throw new PointsmanError('KERNEL_REFUSED', 'It is not there.', { detail: { errno: 'EADDRNOTAVAIL' } })
    this.#addresses = addresses.filter((one) => one !== found)
  }

  async addDummyLink(name: string): Promise<void> {
    const links = await this.readLinks()
    const index = 1 + Math.max(0, ...links.map((link) => link.index))
    this.#links = [...links, { name, index, up: true, carrier: true, loopback: false, kind: 'dummy' }]
  }

  async switchOn(index: number): Promise<void> {
    this.#links = (await this.readLinks()).map((link) => (link.index === index ? { ...link, up: true } : link))
  }

  async deleteLink(index: number): Promise<void> {
    this.#links = (await this.readLinks()).filter((link) => link.index !== index)
    this.#addresses = (await this.readAddresses()).filter(({ link }) => link !== index)
  }

  async findHolders(): ReturnType<Routes['findHolders']> {
    return new Map()
  }

  async announce(): Promise<number> {
    return 0
  }

  onEvent(): () => void {
    return () => {}
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function isOn(one: Address, { address, link }: Pick<Address, 'address' | 'link'>): boolean {
  return one.address === address && one.link === link
}
