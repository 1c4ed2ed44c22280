import type { IpAddress } from '../model/address.ts'

/** A network interface of the namespace (`ip link`). */
export interface NetworkLink {
  readonly name: string
  readonly index: number
  /** Switched on (IFF_UP); it may have no carrier all the same. */
  readonly up: boolean
  /** Whether packets can leave it now (IFF_LOWER_UP). */
  readonly carrier: boolean
  /** Bytes of the largest packet that it carries; absent where the kernel does not say. */
  readonly mtu?: number
  /** `dummy`, `bridge`, `veth`, …; absent for hardware and for the loopback. */
  readonly kind?: string
  readonly loopback: boolean
  /** `02:00:00:00:00:01`. Present where neighbours are found by ARP and neighbour discovery on Ethernet: such a link is probed and announced on. */
  readonly neighbourAddress?: string
}

/** An address of an interface (`ip address`). */
export interface InterfaceAddress {
  /** Index of the link. */
  readonly link: number
  readonly address: IpAddress
  /** Of the network that is on the link; 32 or 128 for an address alone. */
  readonly prefixLength: number
  /** The other end of a point-to-point link: the network on the link is that of this address then. */
  readonly peer?: IpAddress
  /** IPv4 only. */
  readonly label?: string
  /** No connection of the director's own takes it as its source (`preferred_lft 0`). */
  readonly deprecated: boolean
}

/** An address to be added as /32 or /128. */
export interface NewAddress {
  /** Index of the link. */
  readonly link: number
  readonly address: IpAddress
  /** IPv4 only; at most 15 characters that begin with the name of the link. */
  readonly label?: string
}

/** An address on a link. */
export interface AddressOnLink {
  readonly link: number
  readonly address: IpAddress
}

/** What happened to the interfaces. `lost`: the kernel had more to say than was listened to. */
export type RouteEvent =
  | { readonly kind: 'address-gone'; readonly link: number; readonly address: IpAddress }
  | { readonly kind: 'link'; readonly index: number; readonly name: string; readonly up: boolean; readonly carrier: boolean }
  | { readonly kind: 'link-gone'; readonly index: number; readonly name: string }
  | { readonly kind: 'lost' }

/**
 * Interfaces and addresses of the network namespace of this process. Every call rejects with a PointsmanError: NO_PERMISSION,
 * NETLINK_PROTOCOL, or KERNEL_REFUSED with the kernel's name for the reason in `detail.errno`.
 */
export interface RouteKernel extends AsyncDisposable {
  readLinks(): Promise<readonly NetworkLink[]>
  readAddresses(): Promise<readonly InterfaceAddress[]>
  /**
   * An IPv6 address is deprecated and without duplicate address detection (`preferred_lft 0 nodad`). EEXIST: the link has it already; ENODEV:
   * there is no such link; EACCES: IPv6 is switched off there.
   */
  addAddress(address: NewAddress): Promise<void>
  /** Gives an IPv6 address that is there the lifetimes that `addAddress` gives. */
  deprecateAddress(address: AddressOnLink): Promise<void>
  /** As it was added: of /32 or /128, and with its label where one is given. EADDRNOTAVAIL: such a one is not there. */
  deleteAddress(address: NewAddress): Promise<void>
  /** A link of the kind `dummy`, switched on. ENOTSUP: this kernel has none; EEXIST: the name is taken. */
  addDummyLink(name: string): Promise<void>
  switchOn(index: number): Promise<void>
  /** ENODEV: there is none. */
  deleteLink(index: number): Promise<void>
  /**
   * Asks on a link with neighbours who else holds the addresses (ARP probe of RFC 5227, neighbour solicitation of RFC 4862): three times within
   * half a second. Gives the hardware address of each holder; who is missing in the answer is not held.
   */
  findHolders(link: NetworkLink, addresses: readonly IpAddress[]): Promise<ReadonlyMap<IpAddress, string>>
  /**
   * Tells all neighbours, `times` times, that the addresses are at this link: gratuitous ARP, unsolicited neighbour advertisement. Gives how many
   * announcements left; one that does not fit the queue of the link is lost, as one on the wire may be.
   */
  announce(link: NetworkLink, addresses: readonly IpAddress[], times: number): Promise<number>
  /** Called for what happens to links and addresses, also by ourselves. Returns the end of it. */
  onEvent(listener: (event: RouteEvent) => void): () => void
}
