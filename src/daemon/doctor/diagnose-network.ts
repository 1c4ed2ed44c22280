import { addressesOf } from '../../document/values/address-range.ts'
import type { IpAddress } from '../../model/address.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import { CONNTRACK_MAX, NEARLY_FULL } from '../useful-sysctls.ts'
import { addAddress, type OtherProcess, quoted, sysctlCure } from './cures.ts'
import { type DoctorFacts, type Finding, fail, ok, type TunnelWay, warn } from './facts.ts'

/** Tracked connections to a bucket of the hash table; the kernel's own choice is 1 or, before Linux 5.15, 4. */
const CROWDED = 8
/** Bytes of the packets that clients on Ethernet send. */
const USUAL_MTU = 1_500

/** What source NAT and virtual addresses need of this host; nothing where no service asks for them. */
export function diagnoseNetwork(facts: DoctorFacts): Finding[] {
  const services = facts.configuration?.services ?? []
  const translated = services.filter(({ fullNat }) => fullNat)
  const placed = services.filter(({ virtualAddress }) => virtualAddress !== undefined)
  return [
    ...(translated.length > 0 ? [...nftables(facts), ...connections(facts), ...sources(facts, translated, placed)] : []),
    ...interfaces(facts, placed),
    ...addresses(facts, services),
    ...tunnelSizes(facts),
  ]
}

function nftables({ nftables: answer, installer }: DoctorFacts): Finding[] {
  if (answer === undefined) return []
  if (!('problem' in answer)) return [ok('source NAT', `it can be made (${answer.by})`)]
  const isMissing = answer.problem.includes('install')
  const install = isMissing && installer !== undefined ? { run: `${installer} ${answer.wanted ?? 'nftables'}` } : {}
  return [fail('source NAT', answer.problem, install)]
}

function connections({ conntrack, isHostNamespace = true }: DoctorFacts): Finding[] {
  if (conntrack === undefined) return []
  const { count, max, buckets } = conntrack
  const inHost = { inHost: !isHostNamespace }
  if (max === Number.POSITIVE_INFINITY)
    return [ok('conntrack', `${count} connections are tracked, as many as there will be (${CONNTRACK_MAX} is 0)`)]
  const use = `${count} of ${max} connections are tracked (${CONNTRACK_MAX})`
  const findings =
    count * 100 <= max * NEARLY_FULL
      ? [ok('conntrack', use)]
      : [warn('conntrack', `${use}; beyond that new ones are dropped`, sysctlCure([`${CONNTRACK_MAX}=${max * 2}`], inHost))]
  if (buckets !== undefined && buckets > 0 && max > buckets * CROWDED) {
    const problem = `${max} connections may be tracked in a hash table of ${buckets} buckets: looking one up gets slow`
    const wanted = 2 ** Math.ceil(Math.log2(max / 4))
    findings.push(warn('conntrack', problem, sysctlCure([`net.netfilter.nf_conntrack_buckets=${wanted}`], inHost)))
  }
  return findings
}

/** Replies of backends go to the source address: it has to be here. */
function sources(facts: DoctorFacts, translated: readonly ServiceSpec[], placed: readonly ServiceSpec[]): Finding[] {
  const { network } = facts
  if (network === undefined || 'problem' in network) return []
  const ours = new Set([...network.addresses, ...placed.flatMap(addressOf)])
  return translated.flatMap(({ name, identity, snatRange }) => {
    if (snatRange === undefined) return []
    const passing = passingOwner(addressesOf(snatRange), identity, placed)
    if (passing !== undefined) {
      const problem = `snat_ip of ${name} has the address of ${passing}, which leaves this host while the quorum of ${passing} is lost (announce_when): the replies to ${name} get lost then`
      return [warn('source NAT', problem, `write another address, or announce_when: always for ${passing}`)]
    }
    const missing = addressesOf(snatRange).filter((address) => !ours.has(address))
    const [first] = missing
    if (first === undefined) return [ok('source NAT', `snat_ip of ${name} is on this host`)]
    const more = missing.length === 1 ? '' : ` and ${missing.length - 1} more`
    const problem = `${first}${more} (snat_ip of ${name}) is on no interface of this host, so the replies of backends to it get lost`
    const [mover] = facts.addressMovers
    if (mover !== undefined) return [warn('source NAT', problem, movedBy(mover))]
    const cure = `or write an address of this host, or leave snat_ip out; to keep it, put it where this host's network is configured`
    if (!facts.seesEveryProcess) return [fail('source NAT', problem, `${cure.slice(3)}; ${UNSEEN}`)]
    return [fail('source NAT', problem, { cure, run: missing.map((each) => addAddress(each)).join(' && ') })]
  })
}

/** The other service, by its name, whose address is among these and does not stay here: none that shares it is announced always, nor is it the service's own. */
function passingOwner(
  snat: readonly IpAddress[],
  own: ServiceSpec['identity'],
  placed: readonly ServiceSpec[],
): string | undefined {
  const isOwn = (address: IpAddress) => own.kind === 'address' && own.address === address
  for (const address of snat) {
    const sharing = placed.filter((each) => !isOwn(address) && addressOf(each).includes(address))
    if (sharing.length > 0 && sharing.every(({ virtualAddress }) => virtualAddress?.announceWhen === 'quorum'))
      return sharing[0]?.name
  }
  return undefined
}

function interfaces({ network }: DoctorFacts, placed: readonly ServiceSpec[]): Finding[] {
  if (placed.length === 0 || network === undefined) return []
  if ('problem' in network) return [fail('virtual address', network.problem)]
  const findings = placed.flatMap(({ name, virtualAddress }) => {
    const link = virtualAddress?.interface
    if (link === undefined) return []
    if (!network.interfaces.has(link)) {
      const cure = 'correct virtual_address, or leave interface out: then the address goes where its network is'
      return [fail('virtual address', `this network namespace has no interface ${link}, which ${name} names`, cure)]
    }
    if (!network.down?.has(link)) return []
    const cure = "to keep it so, switch it on where this host's network is configured"
    const run = `ip link set dev ${quoted(link)} up`
    return [fail('virtual address', `the interface ${link}, which ${name} names, is switched off`, { cure, run })]
  })
  return findings.length > 0 ? findings : [ok('virtual address', 'every interface that the configuration names is there')]
}

/** Addresses that somebody else puts here: VRRP, or the host's own network configuration. */
function addresses({ lostAddresses, addressMovers, seesEveryProcess }: DoctorFacts, services: readonly ServiceSpec[]): Finding[] {
  if (lostAddresses === undefined) return []
  const names = new Map<IpAddress, string[]>()
  for (const service of services.filter(({ virtualAddress }) => virtualAddress === undefined))
    for (const address of addressOf(service)) names.set(address, [...(names.get(address) ?? []), service.name])
  const lost = [...names].filter(([address]) => lostAddresses.has(address))
  if (names.size > 0 && lost.length === 0) return [ok('virtual address', 'every address of a service is on this host')]
  return lost.map(([address, of]) => {
    const problem = `${address} (${nameSome(of)}) is on no interface of this host: packets to it are not delivered to IPVS`
    const [mover] = addressMovers
    if (mover !== undefined)
      return warn('virtual address', problem, `${movedBy(mover)}; where no other director has it, write virtual_address: true`)
    const cure = 'or write virtual_address: true, which also keeps it; right as it is on a VRRP backup'
    if (!seesEveryProcess) return warn('virtual address', problem, `${cure.slice(3)}; ${UNSEEN}`)
    return warn('virtual address', problem, { cure, run: addAddress(address) })
  })
}

/** Two directors with one address both answer for it. */
function movedBy({ program, pid }: OtherProcess): string {
  return `right as it is while another director has the address: ${program} (process ${pid}) moves addresses here, and one that is added by hand is answered for beside it`
}

const UNSEEN = 'no command, for a VRRP daemon may run out of sight, as the processes of this host are not to be seen from here'

function tunnelSizes({ tunnels = [] }: DoctorFacts): Finding[] {
  const narrow = new Map<string, TunnelWay & { readonly link: { readonly name: string; readonly mtu: number } }>()
  for (const way of tunnels) {
    const { link, overhead } = way
    if (link === undefined || link.mtu >= USUAL_MTU + overhead) continue
    if (overhead > (narrow.get(link.name)?.overhead ?? 0)) narrow.set(link.name, { ...way, link })
  }
  if (narrow.size === 0) {
    return tunnels.some(({ link }) => link !== undefined) ? [ok('MTU', 'packets of 1500 bytes fit into the tunnels')] : []
  }
  return [...narrow.values()].map(({ service, tunnel, overhead, link }) => {
    const problem = `packets of more than ${link.mtu - overhead} bytes do not fit into the ${tunnel.type} tunnels of ${service} (the MTU of ${link.name} is ${link.mtu}): clients that hear no ICMP hang`
    const cure =
      "where the network behind it carries such packets; else let the real servers ask for less (ip route change ... advmss). To keep it, write it where this host's network is configured"
    return warn('MTU', problem, { cure, run: `ip link set dev ${quoted(link.name)} mtu ${USUAL_MTU + overhead}` })
  })
}

function addressOf({ identity }: ServiceSpec): IpAddress[] {
  return identity.kind === 'address' ? [identity.address] : []
}

function nameSome(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
}
