import { addressesOf } from '../../document/values/address-range.ts'
import { familyOf, type IpAddress } from '../../model/address.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import type { AddressRange } from '../../model/source-nat.ts'
import { type OnLinkPrefix, onLinkPrefixes, prefixWith } from '../../sinks/addresses/placement.ts'
import { counted } from '../counted.ts'
import { addAddress } from './cures.ts'
import { type DoctorFacts, type Finding, type Neighbourhood, ok, warn } from './facts.ts'

/** Addresses that are named; of more only the number is said. */
const MOST_NAMED = 2

/** Backends of a service by how their replies find `snat_ip`. */
interface WaysBack {
  /** It is in their own network and answers there. */
  readonly near: IpAddress[]
  /** They are neighbours of this host and it is in another network: they need a route by the address of this host that is the key. */
  readonly byRoute: Map<IpAddress, IpAddress[]>
  /** It is in their network, whose link is the key, and on another interface, where IPv6 answers no neighbour. */
  readonly silent: Map<number, IpAddress[]>
  /** Behind a router. */
  readonly far: IpAddress[]
}

/** How the replies of backends find back to a fixed `snat_ip`, as far as it can be known from here; nothing where no service has one. */
export function diagnoseWayBack(facts: DoctorFacts): Finding[] {
  const { configuration, neighbourhood } = facts
  if (neighbourhood === undefined) return []
  return (configuration?.services ?? []).flatMap((service) => {
    const { fullNat, snatRange } = service
    return fullNat && snatRange !== undefined ? findingsOf(service, snatRange, neighbourhood, facts) : []
  })
}

function findingsOf(
  service: ServiceSpec,
  range: AddressRange,
  neighbourhood: Neighbourhood,
  facts: Pick<DoctorFacts, 'seesEveryProcess' | 'addressMovers'>,
): Finding[] {
  const { name, sources } = service
  const { near, byRoute, silent, far } = waysBack(service, addressesOf(range), neighbourhood)
  const snat = range.first === range.last ? `snat_ip ${range.first}` : `snat_ip ${range.first}-${range.last}`
  const findings: Finding[] = []
  for (const [via, backends] of byRoute) {
    const problem = `${named(backends)} of ${name} and ${snat} are in different networks: replies need a route to it by this host`
    const each = range.first === range.last ? '' : ' for each of its addresses'
    const route = `"ip route add ${range.first} via ${via}"${each}`
    findings.push(warn('source NAT', problem, `make sure of one there, such as ${route}, or leave snat_ip out`))
  }
  for (const [index, backends] of silent) {
    const problem = `${snat} is in the network of ${named(backends)} of ${name} and on another interface, where IPv6 answers no neighbour`
    const link = neighbourhood.links.find((each) => each.index === index)?.name ?? ''
    const absent = addressesOf(range).filter((address) => !isOn(index, address, neighbourhood.held))
    const run = absent.map((address) => addAddress(address, link)).join(' && ')
    // Where another director may have it, both would answer.
    const isAlone = facts.seesEveryProcess && facts.addressMovers.length === 0
    findings.push(warn('source NAT', problem, isAlone ? { run } : `where no other host has it run "${run}"`))
  }
  if (far.length > 0) {
    const problem = `${named(far)} of ${name} ${far.length === 1 ? 'is' : 'are'} behind a router: whether replies to ${snat} come here cannot be seen`
    findings.push(warn('source NAT', problem, 'make sure that the routers send it to this host'))
  }
  if (near.length > 0) findings.push(ok('source NAT', `${named(near)} of ${name} need no route: ${snat} is in their network`))
  if (sources.length > 0)
    findings.push(ok('source NAT', `${name} has backends from a source, which need a way back to ${snat} and are not looked at`))
  return findings
}

function waysBack({ backends }: ServiceSpec, snat: readonly IpAddress[], { links, held }: Neighbourhood): WaysBack {
  const owners = new Map<OnLinkPrefix, IpAddress>()
  for (const own of held) for (const prefix of onLinkPrefixes(links, [own])) owners.set(prefix, own.address)
  const prefixes = [...owners.keys()]
  const ways: WaysBack = { near: [], byRoute: new Map(), silent: new Map(), far: [] }
  const here = new Set(held.map(({ address }) => address))
  for (const address of new Set([...backends.values()].map((backend) => backend.address))) {
    const isMeant = snat.some((each) => familyOf(each) === familyOf(address))
    if (!isMeant || here.has(address)) continue
    const prefix = prefixWith(address, prefixes)
    if (prefix === undefined) ways.far.push(address)
    else if (snat.some((each) => prefixWith(each, [prefix]) === undefined)) {
      const via = owners.get(prefix) as IpAddress
      ways.byRoute.set(via, [...(ways.byRoute.get(via) ?? []), address])
    } else if (snat.every((each) => familyOf(each) === 'ipv4' || isOn(prefix.link, each, held))) ways.near.push(address)
    else ways.silent.set(prefix.link, [...(ways.silent.get(prefix.link) ?? []), address])
  }
  return ways
}

function isOn(index: number, wanted: IpAddress, held: Neighbourhood['held']): boolean {
  return held.some(({ link, address }) => link === index && address === wanted)
}

function named(addresses: readonly IpAddress[]): string {
  return addresses.length <= MOST_NAMED ? addresses.join(' and ') : counted(addresses.length, 'backend')
}
