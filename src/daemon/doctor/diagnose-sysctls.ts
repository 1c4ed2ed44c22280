import type { ServiceSpec } from '../../model/service-spec.ts'
import { CONNTRACK, sysctlAdvice, usesNat } from '../sysctl-advice.ts'
import { delaysReuse, REUSE, RP_FILTER } from '../useful-sysctls.ts'
import { moduleCure, sysctlCure } from './cures.ts'
import { type DoctorFacts, type Finding, fail, ok, SYSCTLS, warn } from './facts.ts'

/** The sysctls that matter to what the configuration asks for; each that is right is a line too. */
export function diagnoseSysctls(facts: DoctorFacts): Finding[] {
  const services = facts.configuration?.services ?? []
  const asRead = {
    readSysctl: (name: string) => facts.sysctls.get(name),
    routesLostToForwarding: () => facts.routesLostToForwarding,
  }
  const findings = [
    ...sysctlAdvice(services, asRead).map(({ problem, assignments, why }) =>
      fail('sysctl', problem, { ...sysctlCure(assignments), ...(why !== undefined && { cure: why }) }),
    ),
    ...noConntrack(facts, services),
    ...reuse(facts),
    ...reversePath(facts, services),
    ...waysBack(facts),
  ]
  const blamed = findings.map(({ message }) => message).join(' ')
  const right = SYSCTLS.filter((name) => facts.sysctls.has(name) && !blamed.includes(name))
  findings.push(...right.map((name) => ok('sysctl', `${name} = ${facts.sysctls.get(name)}`)))
  if (!isIpvsSeen(facts)) {
    findings.push(
      warn(
        'sysctl',
        'net.ipv4.vs.* is not there before ip_vs is loaded',
        cannotLoad(facts)
          ? 'what the line ip_vs says comes first; then run the doctor again'
          : { cure: 'then run the doctor again', ...moduleCure('ip_vs') },
      ),
    )
  }
  return findings
}

function isIpvsSeen({ sysctls }: DoctorFacts): boolean {
  return [...sysctls.keys()].some((name) => name.startsWith('net.ipv4.vs.'))
}

/** A kernel whose IPVS was built without CONFIG_IP_VS_NFCT has the others and not this one. */
/** The kernel was asked and has none, or its module is nowhere: a modprobe would fail as well. */
function cannotLoad({ ipvsModule, ipvs }: DoctorFacts): boolean {
  return ipvsModule === 'missing' || (ipvs !== undefined && 'problem' in ipvs)
}

function noConntrack(facts: DoctorFacts, services: readonly ServiceSpec[]): Finding[] {
  if (!isIpvsSeen(facts) || facts.sysctls.has(CONNTRACK) || !services.some(({ fullNat }) => fullNat)) return []
  const problem = `this kernel has no ${CONNTRACK}: its IPVS was built without connection tracking, and full_nat cannot work`
  return [
    fail('sysctl', problem, 'boot a kernel with CONFIG_IP_VS_NFCT (those of the distributions have it), or leave full_nat out'),
  ]
}

/** Documentation/networking/ipvs-sysctl.rst; the delay of one second went away in Linux 5.9. */
function reuse({ sysctls, kernelRelease }: DoctorFacts): Finding[] {
  const mode = sysctls.get(REUSE)
  if (mode === undefined) return []
  const old = `a client that uses its port again reaches its old backend, even one of weight 0`
  if (delaysReuse(kernelRelease, (name) => sysctls.get(name))) {
    // Either value has its price there; 0 costs less.
    if (mode === 0) return [ok('sysctl', `${REUSE} = 0, as is best for ${CONNTRACK} = 1 before Linux 5.9: ${old}`)]
    const problem = `with ${CONNTRACK} = 1 and ${REUSE} = ${mode} this kernel delays reused ports by a second`
    return [warn('sysctl', problem, { cure: `then ${old}; Linux 5.9 or later does neither`, ...sysctlCure([`${REUSE}=0`]) })]
  }
  return mode === 0 ? [warn('sysctl', `${REUSE} is 0: ${old}`, sysctlCure([`${REUSE}=1`]))] : []
}

/** The larger of `all` and the interface's own value counts: 2 for all beats 1 anywhere. */
function reversePath({ sysctls, strictLinks = [] }: DoctorFacts, services: readonly ServiceSpec[]): Finding[] {
  if (!services.some((service) => usesNat(service, 'ipv4'))) return []
  const isStrict = sysctls.get(RP_FILTER) === 1
  if (!isStrict && (strictLinks.length === 0 || sysctls.get(RP_FILTER) === 2)) return []
  const where = isStrict ? `${RP_FILTER} is 1` : `${RP_FILTER} is 0, and rp_filter of ${strictLinks.join(', ')} is 1`
  const problem = `${where}: a packet is dropped without a trace if its sender would be reached by another interface`
  const cure = 'needed where clients and backends are on several interfaces'
  return [warn('sysctl', problem, { cure, ...sysctlCure([`${RP_FILTER}=2`]) })]
}

function waysBack({ lostWaysBack }: DoctorFacts): Finding[] {
  if (lostWaysBack === undefined) return []
  if (lostWaysBack.length === 0) return [ok('probes by the address', 'their answers are let in (accept_local, rp_filter)')]
  return lostWaysBack.map(({ service, why, sysctls }) => {
    const problem = `probes of ${service} through its address (via: vip) find nothing out: ${why}`
    if (sysctls.length === 0)
      return fail('probes by the address', problem, 'write global.probe_source with an address of this host')
    const wanted = sysctls.map((each) => each.replace('=', ' has to be ')).join(', ')
    return fail('probes by the address', `${problem} (${wanted})`, sysctlCure(sysctls))
  })
}
