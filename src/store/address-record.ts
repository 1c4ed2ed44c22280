import type { IpAddress } from '../model/address.ts'
import type { ServiceKey } from '../model/virtual-service.ts'

/** An address of ours on a link; the link by index, because a name can pass to another link. */
export interface OwnedAddress {
  readonly address: IpAddress
  readonly link: number
  readonly linkName: string
  /** Those that wanted it last: it stays while IPVS holds one of them, also when the configuration has none of them any more. */
  readonly services: readonly ServiceKey[]
}

/** One step from one state of the record to the next; a line of the file. */
export type AddressEdit =
  | ({ readonly do: 'own-address' } & OwnedAddress)
  | { readonly do: 'forget-address'; readonly address: IpAddress; readonly link: number }
  | { readonly do: 'own-link'; readonly name: string }
  | { readonly do: 'forget-link'; readonly name: string }

/** What we put on the interfaces, or are about to. */
export interface AddressRecord {
  /** By `ownedKey`. */
  readonly addresses: ReadonlyMap<string, OwnedAddress>
  /** Names of links that we made. */
  readonly links: ReadonlySet<string>
}

/** `10.0.0.1 3` */
export function ownedKey({ address, link }: Pick<OwnedAddress, 'address' | 'link'>): string {
  return `${address} ${link}`
}

/** The record as edits make it. */
export class OwnedAddresses implements AddressRecord {
  readonly addresses = new Map<string, OwnedAddress>()
  readonly links = new Set<string>()

  apply(edit: AddressEdit): void {
    switch (edit.do) {
      case 'own-address': {
        const { do: _, ...owned } = edit
        this.addresses.set(ownedKey(owned), owned)
        return
      }
      case 'forget-address':
        this.addresses.delete(ownedKey(edit))
        return
      case 'own-link':
        this.links.add(edit.name)
        return
      case 'forget-link':
        this.links.delete(edit.name)
        return
    }
  }

  /** The edits that make it from nothing. */
  *edits(): Generator<AddressEdit> {
    for (const name of this.links) yield { do: 'own-link', name }
    for (const owned of this.addresses.values()) yield { do: 'own-address', ...owned }
  }
}
