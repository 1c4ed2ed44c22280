import type { ServiceSpec } from '../../model/service-spec.ts'
import { CONNTRACK, sysctlAdvice, usesNat } from '../sysctl-advice.ts'
import { type DoctorFacts, type Finding, fail, ok, SYSCTLS, warn } from './facts.ts'

const REUSE = 'net.ipv4.vs.conn_reuse_mode'
const RP_FILTER = 'net.ipv4.conf.all.rp_filter'

/** The sysctls that matter to what the configuration asks for; each that is right is a line too. */
export function diagnoseSysctls(facts: DoctorFacts): Finding[] {
  const services = facts.configuration?.services ?? []
  const asRead = {
    readSysctl: (name: string) => facts.sysctls.get(name),
    routesLostToForwarding: () => facts.routesLostToForwarding,
  }
  const findings = [
    ...sysctlAdvice(services, asRead).map(({ problem, cure }) => fail('sysctl', withoutStop(problem), lower(withoutStop(cure)))),
    ...reuse(facts),
    ...reversePath(facts, services),
  ]
  const blamed = findings.map(({ message }) => message).join(' ')
  const right = SYSCTLS.filter((name) => facts.sysctls.has(name) && !blamed.includes(name))
  findings.push(...right.map((name) => ok('sysctl', `${name} = ${facts.sysctls.get(name)}`)))
  if (![...facts.sysctls.keys()].some((name) => name.startsWith('net.ipv4.vs.'))) {
    findings.push(
      warn('sysctl', 'net.ipv4.vs.* is not there before ip_vs is loaded', 'run "modprobe ip_vs" and the doctor again'),
    )
  }
  return findings
}

/** Documentation/networking/ipvs-sysctl.rst; the delay of one second went away in Linux 5.9. */
function reuse({ sysctls, kernelRelease }: DoctorFacts): Finding[] {
  const mode = sysctls.get(REUSE)
  if (mode === 0) {
    const problem = `${REUSE} is 0: a client that uses its port again reaches its old backend, even one of weight 0`
    return [warn('sysctl', problem, setTo(REUSE, 1))]
  }
  if (mode !== undefined && sysctls.get(CONNTRACK) === 1 && isBefore(kernelRelease, 5, 9)) {
    const problem = `with ${CONNTRACK} = 1 and ${REUSE} = ${mode} this kernel delays reused ports by a second`
    return [warn('sysctl', problem, 'boot Linux 5.9 or later')]
  }
  return []
}

function reversePath({ sysctls }: DoctorFacts, services: readonly ServiceSpec[]): Finding[] {
  if (sysctls.get(RP_FILTER) !== 1 || !services.some((service) => usesNat(service, 'ipv4'))) return []
  const problem = `${RP_FILTER} is 1: a packet is dropped without a trace if its sender would be reached by another interface`
  return [warn('sysctl', problem, `${setTo(RP_FILTER, 2)} where clients and backends are on several interfaces`)]
}

function setTo(sysctl: string, value: number): string {
  return `set it with "sysctl -w ${sysctl}=${value}" and keep it in /etc/sysctl.d`
}

function isBefore(release: string, major: number, minor: number): boolean {
  const [, a = 0, b = 0] = (/^(\d+)\.(\d+)/.exec(release) ?? []).map(Number)
  return a < major || (a === major && b < minor)
}

function withoutStop(sentence: string): string {
  return sentence.replace(/\.$/, '')
}

function lower(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1)
}
