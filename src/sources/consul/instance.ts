import { type AddressFamily, familyOf, type IpAddress, type Port, parseAddress } from '../../model/address.ts'
import type { DiscoveredState } from '../../model/backend.ts'
import type { HealthEntry } from './health-entry.ts'

/** What Consul itself makes of the checks: maintenance before critical before warning before passing. */
export function stateOf({ Checks }: HealthEntry): DiscoveredState {
  const checks = (Checks ?? []).filter(({ Status }) => Status !== 'passing')
  if (checks.some(({ CheckID }) => isMaintenance(CheckID))) return 'maintenance'
  if (checks.some(({ Status }) => Status === 'critical')) return 'critical'
  return checks.length > 0 ? 'warning' : 'passing'
}

/** The checks that `consul maint` and its API set, on a node or on one instance. */
function isMaintenance(id: string): boolean {
  return id === '_node_maintenance' || id.startsWith('_service_maintenance:')
}

export type Place =
  | { readonly ok: true; readonly address: IpAddress; readonly port: Port }
  /** `it has no address`, `its address "web.internal" is a name`. */
  | { readonly ok: false; readonly problem: string; readonly remedy: string }

/**
 * Where an instance is reached: the chosen tagged address where the instance or its node has it, else the instance's
 * address, else its node's. When that is of the other family, a tagged address of the right one (`lan_ipv6`) is taken.
 */
export function placeOf(entry: HealthEntry, chosen: string | undefined, family: AddressFamily): Place {
  const usual = chosenPlace(entry, chosen) ?? ordinaryPlace(entry)
  const address = parseAddress(usual.address)
  if (address !== undefined && familyOf(address) === family) return { ok: true, address, port: usual.port }
  const tagged = taggedPlace(entry, `lan_${family}`)
  const other = tagged && parseAddress(tagged.address)
  if (tagged !== undefined && other !== undefined) return { ok: true, address: other, port: tagged.port }
  if (address !== undefined) return { ok: true, address, port: usual.port }
  if (usual.address === '')
    return { ok: false, problem: 'it has no address', remedy: 'register it or its node with an IP address' }
  return {
    ok: false,
    problem: `its address ${JSON.stringify(usual.address.slice(0, 100))} is a name and not an IP address`,
    remedy: 'register it with an IP address',
  }
}

interface WrittenPlace {
  readonly address: string
  readonly port: Port
}

function ordinaryPlace({ Node, Service }: HealthEntry): WrittenPlace {
  return { address: (Service.Address === '' ? Node.Address : Service.Address).trim(), port: Service.Port }
}

function chosenPlace(entry: HealthEntry, key: string | undefined): WrittenPlace | undefined {
  return key === undefined ? undefined : taggedPlace(entry, key)
}

function taggedPlace({ Node, Service }: HealthEntry, key: string): WrittenPlace | undefined {
  const own = Service.TaggedAddresses?.[key]
  if (own !== undefined) return { address: own.Address.trim(), port: own.Port === 0 ? Service.Port : own.Port }
  const node = Node.TaggedAddresses?.[key]
  // The node's address is no better than the instance's own where that has one.
  if (node === undefined || (key.startsWith('lan') && Service.Address !== '')) return undefined
  return { address: node.trim(), port: Service.Port }
}
