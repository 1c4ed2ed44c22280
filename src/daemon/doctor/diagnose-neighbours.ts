import { familyOf, type IpAddress } from '../../model/address.ts'
import type { Forwarding } from '../../model/destination.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import { onLinkPrefixes, placeAddress } from '../../sinks/addresses/placement.ts'
import { RIGHTS_OF_UNIT, sysctlCure } from './cures.ts'
import { type DoctorFacts, type Finding, fail, type Neighbourhood, ok, warn } from './facts.ts'

type Link = Neighbourhood['links'][number]

/** Where a virtual address is, or will be; without a link on a dummy of our own. */
interface Site {
  readonly service: string
  readonly address: IpAddress
  readonly link: Link | undefined
}

/** What neighbours are told of virtual addresses, and what the real servers of direct routing must not tell. */
export function diagnoseNeighbours(facts: DoctorFacts): Finding[] {
  const services = facts.configuration?.services ?? []
  const { neighbourhood } = facts
  return [...(neighbourhood === undefined ? [] : onThisHost(facts, services, neighbourhood)), ...onRealServers(services)]
}

function onThisHost(
  { capabilities, systemd }: DoctorFacts,
  services: readonly ServiceSpec[],
  neighbourhood: Neighbourhood,
): Finding[] {
  const sites = sitesOf(services, neighbourhood)
  const hidden = sites.filter(({ link }) => link === undefined || link.loopback || link.kind === 'dummy')
  const told = sites.find(({ link }) => link?.neighbourAddress !== undefined)
  return [
    ...(told === undefined ? [] : rights(told, capabilities, systemd)),
    ...hiddenIpv4(
      hidden.filter(({ address }) => familyOf(address) === 'ipv4'),
      neighbourhood,
    ),
    ...hidden.flatMap((site) => (familyOf(site.address) === 'ipv6' ? [hiddenIpv6(site)] : [])),
  ]
}

function sitesOf(services: readonly ServiceSpec[], { links, held }: Neighbourhood): Site[] {
  const byIndex = new Map(links.map((link) => [link.index, link]))
  const prefixes = onLinkPrefixes(links, held)
  const sites = new Map<IpAddress, Site>()
  for (const { name, identity, virtualAddress } of services) {
    if (identity.kind !== 'address' || virtualAddress === undefined) continue
    const { address } = identity
    const current = held.find((each) => each.address === address)?.link
    const placement = placeAddress(address, virtualAddress.interface, byIndex, prefixes, current)
    if (placement.kind === 'missing' || sites.has(address)) continue
    sites.set(address, { service: name, address, link: placement.kind === 'link' ? placement.link : undefined })
  }
  return [...sites.values()]
}

function rights({ service, address, link }: Site, capabilities: ReadonlySet<string>, systemd = false): Finding[] {
  if (capabilities.has('CAP_NET_RAW'))
    return [ok('rights', 'CAP_NET_RAW is there, for questions to neighbours and announcements')]
  const problem = `CAP_NET_RAW is missing: ${address} of ${service} is not added to ${link?.name}, for neighbours can be neither asked nor told`
  return [
    fail('rights', problem, {
      cure: 'run as root, or with AmbientCapabilities=CAP_NET_RAW beside CAP_NET_ADMIN in the systemd unit, or with --cap-add NET_RAW in a container',
      ...(systemd && { keep: RIGHTS_OF_UNIT }),
    }),
  ]
}

/** IPv4 answers on every link for what the host has, unless `arp_ignore` says otherwise; the larger value of `all` and the link counts. */
function hiddenIpv4(sites: readonly Site[], { links, arp }: Neighbourhood): Finding[] {
  const [first] = sites
  if (first === undefined) return []
  const heard = links.filter(({ neighbourAddress, kind }) => neighbourAddress !== undefined && kind !== 'dummy')
  const deaf = heard.filter(({ name }) => (arp.get(name)?.ignore ?? 0) > 0)
  const loose = heard.filter(({ name }) => (arp.get(name)?.announce ?? 2) < 2)
  const what = `${first.address}${sites.length === 1 ? '' : ` and ${sites.length - 1} more`} on ${first.link?.name ?? 'a dummy'}`
  const findings: Finding[] = []
  if (deaf.length > 0) {
    const problem = `${what} is not answered for on ${namesOf(deaf)} (arp_ignore is set): neighbours there need a route to it by this host`
    const cure = 'give the link with virtual_address: { interface: NAME }, or let the network route it to this host'
    findings.push(warn('virtual address', problem, cure))
  }
  if (deaf.length < heard.length) {
    const links = namesOf(heard.filter((link) => !deaf.includes(link)))
    findings.push(ok('virtual address', `${what} is answered for on ${links} (arp_ignore is 0)`))
  }
  if (loose.length > 0) {
    const problem = `${what} may stand as the sender in questions of this host to neighbours on ${namesOf(loose)} (arp_announce is below 2)`
    findings.push(warn('virtual address', problem, sysctlCure(['net.ipv4.conf.all.arp_announce=2'])))
  }
  return findings
}

function hiddenIpv6({ service, address, link }: Site): Finding {
  const problem = `${address} of ${service} on ${link?.name ?? 'a dummy'} is answered for on no link: it has to be routed to this host`
  return warn('virtual address', problem, 'where clients are on the link write virtual_address: { interface: NAME }')
}

/** They have the address too, and this host cannot see whether they keep silent about it. */
function onRealServers(services: readonly ServiceSpec[]): Finding[] {
  const sharing = services.filter((service) => usesDirect(service))
  const [first] = sharing
  if (first === undefined) return []
  const names = sharing.length === 1 ? first.name : `${first.name} and ${sharing.length - 1} more`
  const advice = `real servers of ${names} have the virtual address on lo and must not answer for it`
  return [ok('direct routing', `${advice}: net.ipv4.conf.all.arp_ignore=1 and net.ipv4.conf.all.arp_announce=2 there`)]
}

/** Tunnels as well: their real servers may be on the link. */
function usesDirect({ forwarding, backends }: ServiceSpec): boolean {
  const methods: Forwarding['method'][] = [forwarding.method]
  for (const backend of backends.values()) if (backend.forwarding !== undefined) methods.push(backend.forwarding.method)
  return methods.some((method) => method === 'direct' || method === 'tunnel')
}

function namesOf(links: readonly Link[]): string {
  return links.map(({ name }) => name).join(', ')
}
