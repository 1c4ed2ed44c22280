import { addressesOf } from '../../document/values/address-range.ts'
import type { IpAddress } from '../../model/address.ts'
import type { ServiceSpec } from '../../model/service-spec.ts'
import { type DoctorFacts, type Finding, fail, ok, warn } from './facts.ts'

/** Percent of its connection table above which a host should have a larger one. */
const NEARLY_FULL = 80

/** What source NAT and virtual addresses need of this host; nothing where no service asks for them. */
export function diagnoseNetwork(facts: DoctorFacts): Finding[] {
  const services = facts.configuration?.services ?? []
  const translated = services.filter(({ fullNat }) => fullNat)
  const placed = services.filter(({ virtualAddress }) => virtualAddress !== undefined)
  return [
    ...(translated.length > 0 ? [...nftables(facts), ...connections(facts), ...sources(facts, translated, placed)] : []),
    ...interfaces(facts, placed),
  ]
}

function nftables({ nftables: answer }: DoctorFacts): Finding[] {
  if (answer === undefined) return []
  return ['problem' in answer ? fail('source NAT', answer.problem) : ok('source NAT', `it can be made (${answer.by})`)]
}

function connections({ conntrack }: DoctorFacts): Finding[] {
  if (conntrack === undefined) return []
  const { count, max } = conntrack
  const use = `${count} of ${max} connections are tracked (net.netfilter.nf_conntrack_max)`
  if (count * 100 <= max * NEARLY_FULL) return [ok('source NAT', use)]
  const cure = `set it with "sysctl -w net.netfilter.nf_conntrack_max=${max * 2}" and keep it in /etc/sysctl.d`
  return [warn('source NAT', `${use}; beyond that new ones are dropped`, cure)]
}

/** Replies of backends go to the source address: it has to be here. */
function sources({ network }: DoctorFacts, translated: readonly ServiceSpec[], placed: readonly ServiceSpec[]): Finding[] {
  if (network === undefined || 'problem' in network) return []
  const ours = new Set([...network.addresses, ...placed.flatMap(addressOf)])
  return translated.flatMap(({ name, snatRange }) => {
    if (snatRange === undefined) return []
    const missing = addressesOf(snatRange).filter((address) => !ours.has(address))
    const [first] = missing
    if (first === undefined) return [ok('source NAT', `snat_ip of ${name} is on this host`)]
    const more = missing.length === 1 ? '' : ` and ${missing.length - 1} more`
    const problem = `${first}${more} (snat_ip of ${name}) is on no interface of this host, so the replies of backends to it get lost`
    return [
      fail('source NAT', problem, `run "ip address add ${first} dev lo", write an address of this host, or leave snat_ip out`),
    ]
  })
}

function interfaces({ network }: DoctorFacts, placed: readonly ServiceSpec[]): Finding[] {
  if (placed.length === 0 || network === undefined) return []
  if ('problem' in network) return [fail('virtual address', network.problem)]
  const lost = placed.filter(({ virtualAddress }) => {
    const name = virtualAddress?.interface
    return name !== undefined && !network.interfaces.has(name)
  })
  if (lost.length === 0) return [ok('virtual address', 'every interface that the configuration names is there')]
  return lost.map(({ name, virtualAddress }) =>
    fail(
      'virtual address',
      `this network namespace has no interface ${virtualAddress?.interface}, which ${name} names`,
      'correct virtual_address, or leave interface out: then the address goes where its network is',
    ),
  )
}

function addressOf({ identity }: ServiceSpec): IpAddress[] {
  return identity.kind === 'address' ? [identity.address] : []
}
