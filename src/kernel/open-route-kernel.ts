import type { IpAddress } from '../model/address.ts'
import { openLinkSocket } from './announce/link-socket.ts'
import { announceOn, findHoldersOn, isLinkLoss, neighbourhood } from './announce/neighbours.ts'
import { SystemCallError } from './libc.ts'
import { Pace } from './pace.ts'
import type { AddressOnLink, InterfaceAddress, NetworkLink, NewAddress, RouteEvent, RouteKernel } from './route-kernel.ts'
import {
  addressAddition,
  addressDeletion,
  addressDeprecation,
  addressDump,
  readInterfaceAddress,
} from './rtnetlink/address-codec.ts'
import { RTM_NEWADDR, RTM_NEWLINK } from './rtnetlink/constants.ts'
import { dummyRequest, linkDeletion, linkDump, readLink, switchOnRequest } from './rtnetlink/link-codec.ts'
import { RouteEvents } from './rtnetlink/route-events.ts'
import { inSentences, RouteSocket, refusedCall } from './rtnetlink/route-socket.ts'

/** Interfaces and addresses of the network namespace of this process. Nothing is opened before it is needed. */
export function openRouteKernel(): RouteKernel {
  return new LinuxRouteKernel()
}

class LinuxRouteKernel implements RouteKernel {
  readonly #socket = new RouteSocket()
  readonly #pace = new Pace()
  readonly #listeners = new Set<(event: RouteEvent) => void>()
  #events: RouteEvents | undefined

  async readLinks(): Promise<readonly NetworkLink[]> {
    let links: NetworkLink[] = []
    await this.#socket.dump(
      linkDump(),
      'list the interfaces',
      (message) => {
        if (message.type === RTM_NEWLINK) links.push(readLink(message))
      },
      () => {
        links = []
      },
    )
    return links
  }

  async readAddresses(): Promise<readonly InterfaceAddress[]> {
    let addresses: InterfaceAddress[] = []
    await this.#socket.dump(
      addressDump(),
      'list the addresses of the interfaces',
      (message) => {
        const address = message.type === RTM_NEWADDR ? readInterfaceAddress(message) : undefined
        if (address !== undefined) addresses.push(address)
      },
      () => {
        addresses = []
      },
    )
    return addresses
  }

  async addAddress(address: NewAddress): Promise<void> {
    await this.#request(addressAddition(address), `add the address ${address.address}`)
  }

  async deprecateAddress(address: AddressOnLink): Promise<void> {
    await this.#request(addressDeprecation(address), `change the lifetime of the address ${address.address}`)
  }

  async deleteAddress(address: NewAddress): Promise<void> {
    await this.#request(addressDeletion(address), `delete the address ${address.address}`)
  }

  async addDummyLink(name: string): Promise<void> {
    await this.#request(dummyRequest(name), `make the interface ${name}`)
  }

  async switchOn(index: number): Promise<void> {
    await this.#request(switchOnRequest(index), `set interface ${index} up`)
  }

  async deleteLink(index: number): Promise<void> {
    await this.#request(linkDeletion(index), `delete interface ${index}`)
  }

  async findHolders(link: NetworkLink, addresses: readonly IpAddress[]): Promise<ReadonlyMap<IpAddress, string>> {
    try {
      return await findHoldersOn(link, addresses, neighbourhood(openLinkSocket))
    } catch (error) {
      throw spoken(error, `ask on ${link.name} who holds an address`)
    }
  }

  async announce(link: NetworkLink, addresses: readonly IpAddress[], times: number): Promise<number> {
    try {
      return await announceOn(link, addresses, times, openLinkSocket)
    } catch (error) {
      if (isLinkLoss(error)) return 0
      throw spoken(error, `announce an address on ${link.name}`)
    }
  }

  onEvent(listener: (event: RouteEvent) => void): () => void {
    this.#listeners.add(listener)
    this.#events ??= inSentences('tell about changes of interfaces', () => new RouteEvents((event) => this.#tell(event)))
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) this.#stopListening()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear()
    this.#stopListening()
    this.#socket[Symbol.dispose]()
  }

  /** Many requests in a row let everything else have its turn. */
  async #request(bytes: Uint8Array, to: string): Promise<void> {
    if (this.#pace.late()) await this.#pace.rest()
    this.#socket.request(bytes, to)
  }

  #tell(event: RouteEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  #stopListening(): void {
    this.#events?.[Symbol.dispose]()
    this.#events = undefined
  }
}

function spoken(error: unknown, to: string): unknown {
  return error instanceof SystemCallError ? refusedCall(error, to) : error
}
