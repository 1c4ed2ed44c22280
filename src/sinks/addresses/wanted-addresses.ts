import { addressBytes, familyOf, formatEndpoint, type IpAddress } from '../../model/address.ts'
import type { DesiredState, WantedAddress } from '../../model/desired-state.ts'
import type { AddressRange } from '../../model/source-nat.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { AddressRecord, OwnedAddress } from '../../store/addresses.ts'

/** One address that should be on an interface, for all services together that want it. */
export interface SharedAddress {
  /** Where the configuration says; of several services the first that says anything. */
  readonly interface?: string
  readonly services: readonly ServiceKey[]
  /** Whether IPVS holds one of the services: only then it is added. */
  readonly open: boolean
}

/**
 * The addresses that should be there. An address stays for a service that has left the configuration while IPVS holds it (it drains), or while
 * nobody knows whether it has left; and for one whose source NAT uses it, to which replies could not come back otherwise. One of which it is
 * undecided whether it is announced keeps what it has. Services by firewall mark have no address.
 */
export function wantedAddresses(
  desired: DesiredState,
  opened: (key: ServiceKey) => boolean,
  record: AddressRecord,
): Map<IpAddress, SharedAddress> {
  const wanted = new Map<IpAddress, SharedAddress>()
  const asRecorded = recordedServices(record)
  for (const [key, { identity, virtualAddress }] of desired.services) {
    if (identity.kind === 'fwmark' || virtualAddress === undefined || !isWantedBy(key, virtualAddress, asRecorded)) continue
    include(wanted, identity.address, key, opened(key), virtualAddress.interface)
  }
  for (const [address, key] of usedBySourceNat(desired, record))
    if (!wanted.get(address)?.services.includes(key)) include(wanted, address, key, opened(key))
  for (const { address, services } of record.addresses.values()) {
    for (const key of services) {
      if (desired.services.has(key) || wanted.get(address)?.services.includes(key)) continue
      const open = opened(key)
      if (open || desired.undecided?.has(key)) include(wanted, address, key, open)
    }
  }
  return wanted
}

/** Of ours, those whose services stay and all of which are to be reached no more for now. */
export function withdrawnAddresses(desired: DesiredState, record: AddressRecord): OwnedAddress[] {
  const silent = new Map<IpAddress, boolean>()
  const asRecorded = recordedServices(record)
  for (const [key, { identity, virtualAddress }] of desired.services) {
    if (identity.kind === 'fwmark' || virtualAddress === undefined) continue
    const isSilent = !isWantedBy(key, virtualAddress, asRecorded)
    silent.set(identity.address, (silent.get(identity.address) ?? true) && isSilent)
  }
  // One that has left the configuration may still be in IPVS: `hold` knows.
  const stays = (key: ServiceKey) => desired.services.has(key)
  return [...record.addresses.values()].filter(({ address, services }) => silent.get(address) === true && services.every(stays))
}

/** Whether two states want the same of the interfaces. */
export function sameWanted(one: ReadonlyMap<IpAddress, SharedAddress>, other: ReadonlyMap<IpAddress, SharedAddress>): boolean {
  if (one.size !== other.size) return false
  for (const [address, { interface: link, open, services }] of one) {
    const there = other.get(address)
    if (there === undefined || there.interface !== link || there.open !== open) return false
    if (!sameServices(services, there.services)) return false
  }
  return true
}

/** Whatever their order. */
export function sameServices(one: readonly ServiceKey[], other: readonly ServiceKey[]): boolean {
  return one.length === other.length && one.every((key, index) => other[index] === key || other.includes(key))
}

/** What is undecided is wanted where it was wanted last. */
function isWantedBy(key: ServiceKey, { announced }: WantedAddress, asRecorded: ReadonlySet<ServiceKey>): boolean {
  return announced === 'undecided' ? asRecorded.has(key) : announced
}

/** Those whose own address is ours. */
function recordedServices({ addresses }: AddressRecord): ReadonlySet<ServiceKey> {
  return new Set([...addresses.values()].flatMap(({ address, services }) => services.filter((key) => isReachedAt(key, address))))
}

function isReachedAt(key: ServiceKey, address: IpAddress): boolean {
  return key.slice(key.indexOf('/') + 1).startsWith(formatEndpoint(address, 0).slice(0, -1))
}

/** Those of our addresses that source NAT takes for connections of a service. */
function* usedBySourceNat({ services }: DesiredState, record: AddressRecord): Iterable<readonly [IpAddress, ServiceKey]> {
  const ours = new Set([...record.addresses.values()].map(({ address }) => address))
  if (ours.size === 0) return
  for (const [key, { sourceNat }] of services) {
    if (sourceNat === undefined || sourceNat === 'masquerade') continue
    if (sourceNat.first !== sourceNat.last) for (const address of inRange(ours, sourceNat)) yield [address, key]
    else if (ours.has(sourceNat.first)) yield [sourceNat.first, key]
  }
}

function inRange(addresses: ReadonlySet<IpAddress>, { first, last }: AddressRange): IpAddress[] {
  const [from, to] = [addressBytes(first), addressBytes(last)]
  return [...addresses].filter((address) => {
    if (familyOf(address) !== familyOf(first)) return false
    const bytes = addressBytes(address)
    return Buffer.compare(from, bytes) <= 0 && Buffer.compare(bytes, to) <= 0
  })
}

function include(wanted: Map<IpAddress, SharedAddress>, address: IpAddress, key: ServiceKey, open: boolean, link?: string): void {
  const before = wanted.get(address)
  const named = before?.interface ?? link
  wanted.set(address, {
    ...(named !== undefined && { interface: named }),
    services: [...(before?.services ?? []), key],
    open: open || before?.open === true,
  })
}
