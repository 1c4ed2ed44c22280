import type { IpAddress } from '../../model/address.ts'
import type { DesiredState } from '../../model/desired-state.ts'
import type { IpvsTable } from '../../model/ipvs-table.ts'
import type { ServiceIdentity } from '../../model/virtual-service.ts'

/** Services by virtual address, wanted ones and those in the kernel, that send packets to the address of one of the backends. */
export function servicesWith(
  backends: readonly { readonly address: IpAddress }[],
  desired: DesiredState,
  table: IpvsTable = new Map(),
): (ServiceIdentity & { readonly kind: 'address' })[] {
  const addresses = new Set(backends.map(({ address }) => address))
  const found = new Map<string, ServiceIdentity & { readonly kind: 'address' }>()
  const note = (key: string, identity: ServiceIdentity, ends: Iterable<{ readonly address: IpAddress }>) => {
    if (identity.kind !== 'address' || found.has(key)) return
    for (const { address } of ends) {
      if (!addresses.has(address)) continue
      found.set(key, identity)
      return
    }
  }
  for (const [key, { identity, destinations }] of desired.services) note(key, identity, destinations.values())
  for (const [key, { service, destinations }] of table)
    note(
      key,
      service.identity,
      Array.from(destinations.values(), ({ destination }) => destination),
    )
  return [...found.values()]
}
