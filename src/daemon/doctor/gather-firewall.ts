import type { IpAddress } from '../../model/address.ts'
import type { Backend } from '../../model/backend.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import { type ServiceKey, serviceKey } from '../../model/virtual-service.ts'
import { onLinkPrefixes, prefixWith } from '../../sinks/addresses/placement.ts'
import { readFirewall } from '../../sinks/firewall/read-firewall.ts'
import type { Host } from '../host.ts'
import { asPointsmanError } from '../passes.ts'
import { CONNTRACK } from '../sysctl-advice.ts'
import type { FirewallFacts, KnownBackend } from './firewall-facts.ts'

/** The members of each service, by its name. */
type Members = ReadonlyMap<string, readonly Backend[]>

/** What filters this host has, and which backends are known; undefined where there is no service to be let through. */
export async function gatherFirewall(
  host: Host,
  services: readonly ServiceSpec[],
  members: Members,
): Promise<FirewallFacts | undefined> {
  if (services.length === 0) return undefined
  try {
    await using kernel = await host.openFirewall()
    const backends = knownBackends(services, members)
    return {
      tables: await readFirewall(kernel),
      tracked: host.readSysctl(CONNTRACK) === 1,
      backends,
      interfaces: await interfacesTo(host, [...backends.values()].flat()),
    }
  } catch (error) {
    return { problem: asPointsmanError(error).message }
  }
}

function knownBackends(services: readonly ServiceSpec[], members: Members): ReadonlyMap<ServiceKey, readonly KnownBackend[]> {
  return new Map(
    services.map(({ name, identity, forwarding }) => {
      const known = (members.get(name) ?? []).map(({ address, port, forwarding: own = forwarding }) => ({
        address,
        port,
        forwarding: own,
      }))
      return [serviceKey(identity), known]
    }),
  )
}

async function interfacesTo(host: Host, backends: readonly KnownBackend[]): Promise<ReadonlyMap<IpAddress, string>> {
  await using kernel = host.openRoutes()
  const [links, addresses] = await Promise.all([kernel.readLinks(), kernel.readAddresses()])
  const prefixes = onLinkPrefixes(links, addresses)
  const names = new Map(links.map(({ index, name }) => [index, name]))
  const found = new Map<IpAddress, string>()
  for (const { address } of backends) {
    const name = names.get(prefixWith(address, prefixes)?.link ?? Number.NaN)
    if (name !== undefined) found.set(address, name)
  }
  return found
}
