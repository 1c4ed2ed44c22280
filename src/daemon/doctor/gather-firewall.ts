import { moduleState } from '../../kernel/for-daemon.ts'
import type { IpAddress } from '../../model/address.ts'
import type { DestinationKey } from '../../model/destination.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import { type ServiceKey, serviceKey } from '../../model/virtual-service.ts'
import { onLinkPrefixes, prefixWith } from '../../sinks/addresses/placement.ts'
import { readFirewall } from '../../sinks/firewall/read-firewall.ts'
import type { Host } from '../host.ts'
import { asPointsmanError } from '../passes.ts'
import { CONNTRACK } from '../sysctl-advice.ts'
import type { FirewallFacts, KnownBackend } from './firewall-facts.ts'

/** What filters this host has, and which backends are known; undefined where there is no service to be let through. */
export async function gatherFirewall(
  host: Host,
  services: readonly ServiceSpec[],
  kernelDeadline: number,
): Promise<FirewallFacts | undefined> {
  if (services.length === 0) return undefined
  try {
    await using kernel = await host.openFirewall()
    const backends = await knownBackends(host, services, kernelDeadline)
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

/** Those of the configuration, and those that IPVS has: sources are not asked. */
async function knownBackends(
  host: Host,
  services: readonly ServiceSpec[],
  kernelDeadline: number,
): Promise<ReadonlyMap<ServiceKey, readonly KnownBackend[]>> {
  const hasSources = services.some(({ sources }) => sources.length > 0)
  const table = hasSources && moduleState('ip_vs') === 'loaded' ? await tableOf(host, kernelDeadline) : undefined
  return new Map(
    services.map(({ identity, backends, forwarding }) => {
      const key = serviceKey(identity)
      const known = new Map<DestinationKey, KnownBackend>()
      for (const [name, { destination }] of table?.get(key)?.destinations ?? []) known.set(name, destination)
      for (const [name, { address, port, forwarding: own = forwarding }] of backends)
        known.set(name, { address, port, forwarding: own })
      return [key, [...known.values()]]
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

/** Undefined where it cannot be read: another line says why. */
async function tableOf(host: Host, deadline: number) {
  try {
    await using kernel = await host.openKernel(deadline)
    return await kernel.readTable()
  } catch {
    return undefined
  }
}
