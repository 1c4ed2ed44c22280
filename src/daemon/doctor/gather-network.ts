import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Configuration, SnatSettings } from '../../config/configuration.ts'
import { addressTowards, interfaceWith } from '../../health/source-address.ts'
import { lostWayBack } from '../../health/way-back.ts'
import { moduleState } from '../../kernel/for-daemon.ts'
import { familyOf, type IpAddress } from '../../model/address.ts'
import type { Backend } from '../../model/backend.ts'
import type { Forwarding } from '../../model/destination.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import { conntrackUsage } from '../conntrack-usage.ts'
import type { Host } from '../host.ts'
import { asPointsmanError } from '../passes.ts'
import { isProbedThrough } from '../probe-roads.ts'
import { linkOrNone } from '../road-keeper.ts'
import { openSnatWay } from '../snat-way.ts'
import { isHostNamespace, strictLinks } from '../useful-sysctls.ts'
import type { DoctorFacts, LostProbe, ModuleState, NeededModule, Neighbourhood, TunnelWay } from './facts.ts'
import { textOf } from './processes.ts'

/** The members of each service, by its name. */
export type Members = ReadonlyMap<string, readonly Backend[]>

type NetworkFacts = Pick<
  DoctorFacts,
  | 'nftables'
  | 'conntrack'
  | 'isHostNamespace'
  | 'network'
  | 'neighbourhood'
  | 'modules'
  | 'lostAddresses'
  | 'strictLinks'
  | 'lostWaysBack'
  | 'tunnels'
>

/** What services need to be known of this host's network; nothing of it is asked that no service cares about. */
export async function gatherNetwork(host: Host, known: Configuration | undefined, members: Members): Promise<NetworkFacts> {
  const services = known?.services ?? []
  const isTranslated = services.some(({ fullNat }) => fullNat)
  const isPlaced = services.some(({ virtualAddress }) => virtualAddress !== undefined)
  const nftables = isTranslated ? await askNftables(host, known?.snat.by) : undefined
  return {
    ...(nftables !== undefined && { nftables }),
    ...(isTranslated && { ...conntrack(host), isHostNamespace: isHostNamespace() }),
    ...((isTranslated || isPlaced) && (await askNetwork(host))),
    modules: neededModules(services, nftables),
    lostAddresses: await lostAddresses(host, services),
    strictLinks: strictLinks(host),
    ...(known !== undefined && services.some(isProbedThrough) && { lostWaysBack: await lostWaysBack(host, known, members) }),
    tunnels: await tunnelWays(host, services, members),
  }
}

function conntrack(host: Host): Pick<DoctorFacts, 'conntrack'> {
  const usage = conntrackUsage(host)
  const buckets = host.readSysctl('net.netfilter.nf_conntrack_buckets')
  return usage === undefined ? {} : { conntrack: { ...usage, ...(buckets !== undefined && { buckets }) } }
}

async function askNftables(host: Host, wanted: SnatSettings['by']): Promise<DoctorFacts['nftables'] & object> {
  try {
    const { by, kernel } = await openSnatWay(host, wanted)
    await using _ = kernel
    if (by === 'nftables') return { by: kernel.by }
    // Whether its programs are there, and show the table, is known once they were run.
    await kernel.saveNat('ipv4')
    return { by: wanted === 'iptables' ? 'iptables' : 'iptables, because nftables is not here' }
  } catch (error) {
    return { problem: asPointsmanError(error).message, ...(wanted === 'iptables' && { wanted }) }
  }
}

async function askNetwork(host: Host): Promise<Pick<DoctorFacts, 'network' | 'neighbourhood'>> {
  try {
    await using kernel = host.openRoutes()
    const [links, held] = await Promise.all([kernel.readLinks(), kernel.readAddresses()])
    const network = {
      interfaces: new Set(links.map(({ name }) => name)),
      addresses: new Set(held.map(({ address }) => address)),
      down: new Set(links.filter(({ up }) => !up).map(({ name }) => name)),
    }
    return { network, neighbourhood: { links, held, arp: arpOf(host, links) } }
  } catch (error) {
    return { network: { problem: asPointsmanError(error).message } }
  }
}

/** kube-proxy leaves it switched off: /proc/net/dev names it all the same, and only netlink tells its addresses. */
export async function kubeInterface(host: Host): Promise<Pick<DoctorFacts, 'kubeInterface'>> {
  const name = 'kube-ipvs0'
  const devices = await textOf('/proc/net/dev')
  if (!devices.split('\n').some((line) => line.trim().startsWith(`${name}:`))) return {}
  const read = await askNetwork(host)
  const { links, held } = read.neighbourhood ?? {}
  const index = links?.find((link) => link.name === name)?.index
  if (held === undefined || index === undefined) return { kubeInterface: {} }
  // The kernel's own, where somebody switched it on.
  const addresses = held.filter(({ link, address }) => link === index && !address.startsWith('fe80:')).length
  return { kubeInterface: { addresses } }
}

function arpOf(host: Host, links: Neighbourhood['links']): Neighbourhood['arp'] {
  const inForce = (link: string, key: string) => {
    // A dot in the name of an interface is written as a slash.
    const values = [link.replaceAll('.', '/'), 'all'].map((name) => host.readSysctl(`net.ipv4.conf.${name}.${key}`))
    return values.every((value) => value === undefined) ? undefined : Math.max(...values.map((value) => value ?? 0))
  }
  const known = links.flatMap(({ name, neighbourAddress }) => {
    const [ignore, announce] = [inForce(name, 'arp_ignore'), inForce(name, 'arp_announce')]
    const isKnown = neighbourAddress !== undefined && ignore !== undefined && announce !== undefined
    return isKnown ? [[name, { ignore, announce }] as const] : []
  })
  return new Map(known)
}

/** Of services that go by iptables nothing is needed of nftables. */
function neededModules(services: readonly ServiceSpec[], nftables: DoctorFacts['nftables']): Map<NeededModule, ModuleState> {
  const byIptables =
    nftables !== undefined && ('by' in nftables ? nftables.by.startsWith('iptables') : nftables.wanted === 'iptables')
  const byNftables = nftables !== undefined && !byIptables
  const needed: NeededModule[] = [
    ...(services.some(({ fullNat }) => fullNat) ? (['nf_conntrack'] as const) : []),
    ...(byNftables ? (['nft_chain_nat'] as const) : []),
    ...(services.some(({ virtualAddress }) => virtualAddress !== undefined && virtualAddress.interface === undefined)
      ? (['dummy'] as const)
      : []),
  ]
  return new Map(needed.map((name) => [name, moduleState(name)]))
}

/**
 * A packet is delivered here where a socket can have its address: that counts local routes to whole networks, too. Where a socket may have any
 * (`ip_nonlocal_bind`, which proxies beside VRRP need), the routing table says it.
 */
export async function lostAddresses(
  host: Pick<Host, 'linkTowards' | 'readSysctl'>,
  services: readonly ServiceSpec[],
): Promise<Set<IpAddress>> {
  const wanted = new Set(services.flatMap(({ identity }) => (identity.kind === 'address' ? [identity.address] : [])))
  const lost = new Set<IpAddress>()
  for (const address of wanted) if (!(await isHere(address)) || isFree(host, address)) lost.add(address)
  return lost
}

/** Whether a socket could have the address only because it could have any. */
function isFree(host: Pick<Host, 'linkTowards' | 'readSysctl'>, address: IpAddress): boolean {
  if (host.readSysctl(`net.${familyOf(address)}.ip_nonlocal_bind`) !== 1) return false
  return interfaceWith(address) === undefined && linkOrNone(host, address) !== 'lo'
}

async function isHere(address: IpAddress): Promise<boolean> {
  const socket = createSocket(familyOf(address) === 'ipv6' ? 'udp6' : 'udp4')
  try {
    const bound = once(socket, 'listening')
    socket.bind(0, address)
    await bound
    return true
  } catch {
    return false
  } finally {
    socket.close()
  }
}

/** One for each service and way: its backends are reached alike, most of the time. */
async function lostWaysBack(host: Host, { services, probeRoads }: Configuration, members: Members): Promise<LostProbe[]> {
  const lost = new Map<string, LostProbe>()
  // All backends ask the same of this host, and there may be many.
  const linkOf = remembered((address: IpAddress) => linkOrNone(host, address) ?? '')
  const wayBackOf = remembered((method: Forwarding['method'], source: IpAddress, link: string) =>
    lostWayBack(source, method, { readSysctl: (name) => host.readSysctl(name), link: link || undefined }),
  )
  for (const service of services.filter(isProbedThrough)) {
    for (const backend of members.get(service.name) ?? []) {
      const { identity } = service
      const family = identity.kind === 'address' ? familyOf(identity.address) : identity.family
      const written = probeRoads.sources.find((source) => familyOf(source) === family)
      const source = written ?? (await addressTowards(backend.address))
      if (source === undefined || familyOf(source) !== family) continue
      const found = wayBackOf(forwardingOf(service, backend).method, source, linkOf(backend.address))
      if (found !== undefined)
        lost.set(`${service.name} ${found.why} ${found.sysctls.join(' ')}`, { service: service.name, ...found })
    }
  }
  return [...lost.values()]
}

/** Asks the same once. */
function remembered<Question extends readonly string[], Answer>(
  ask: (...question: Question) => Answer,
): (...question: Question) => Answer {
  const known = new Map<string, { readonly answer: Answer }>()
  return (...question) => {
    const key = question.join(' ')
    const { answer } = known.get(key) ?? { answer: ask(...question) }
    known.set(key, { answer })
    return answer
  }
}

async function tunnelWays(host: Host, services: readonly ServiceSpec[], members: Members): Promise<TunnelWay[]> {
  const ways = new Map<string, TunnelWay>()
  const linkOf = remembered((address: IpAddress) => linkOrNone(host, address) ?? '')
  let mtus: ReadonlyMap<string, number> | undefined
  for (const service of services) {
    for (const backend of members.get(service.name) ?? []) {
      const forwarding = forwardingOf(service, backend)
      if (forwarding.method !== 'tunnel') continue
      mtus ??= await readMtus(host)
      const { tunnel } = forwarding
      const overhead = overheadOf(tunnel, backend.address)
      const source = await addressTowards(backend.address)
      const name = linkOf(backend.address) || (source && interfaceWith(source))
      const mtu = name === undefined ? undefined : mtus.get(name)
      const link = name === undefined || mtu === undefined ? undefined : { name, mtu }
      ways.set(`${tunnel.type} ${overhead} ${name}`, {
        service: service.name,
        tunnel,
        overhead,
        ...(link !== undefined && { link }),
      })
    }
  }
  return [...ways.values()]
}

async function readMtus(host: Host): Promise<ReadonlyMap<string, number>> {
  try {
    await using kernel = host.openRoutes()
    return new Map((await kernel.readLinks()).flatMap(({ name, mtu }) => (mtu === undefined ? [] : [[name, mtu] as const])))
  } catch {
    return new Map()
  }
}

/** Outer header; that of UDP and GUE, or of GRE; and what checksums add (ip_vs_tunnel_xmit in the kernel's ip_vs_xmit.c). */
function overheadOf(tunnel: TunnelWay['tunnel'], backend: IpAddress): number {
  const outer = familyOf(backend) === 'ipv6' ? 40 : 20
  switch (tunnel.type) {
    case 'ipip':
      return outer
    case 'gue':
      return outer + 8 + 4 + (tunnel.checksum === 'remote-checksum' ? 8 : 0)
    case 'gre':
      return outer + 4 + (tunnel.checksum === 'checksum' ? 4 : 0)
  }
}

function forwardingOf(service: ServiceSpec, backend: Backend): Forwarding {
  return backend.forwarding ?? service.forwarding
}
