import type { ServiceSpec } from '../model/service-spec.ts'

/** A sysctl whose value harms what the configuration asks for. */
export interface SysctlAdvice {
  readonly sysctl: string
  readonly value: number
  /** One sentence: what goes wrong. */
  readonly problem: string
  /** One sentence: what to do. */
  readonly cure: string
}

export const EXPIRE_NODEST_CONN = 'net.ipv4.vs.expire_nodest_conn'
export const EXPIRE_QUIESCENT_TEMPLATE = 'net.ipv4.vs.expire_quiescent_template'

/** The sysctls that the advice looks at. */
export const ADVISED_SYSCTLS = [EXPIRE_NODEST_CONN, EXPIRE_QUIESCENT_TEMPLATE] as const

/** What the services need and the kernel is not set to. Values that are undefined could not be read and are not judged. */
export function sysctlAdvice(services: readonly ServiceSpec[], values: ReadonlyMap<string, number | undefined>): SysctlAdvice[] {
  const advice: SysctlAdvice[] = []
  const nodest = values.get(EXPIRE_NODEST_CONN)
  if (nodest === 0 && services.length > 0) {
    advice.push({
      sysctl: EXPIRE_NODEST_CONN,
      value: nodest,
      problem: `${EXPIRE_NODEST_CONN} is 0, so ${nodestVictims(services)}.`,
      cure: `Set it with "sysctl -w ${EXPIRE_NODEST_CONN}=1" and keep it in /etc/sysctl.d.`,
    })
  }
  const quiescent = values.get(EXPIRE_QUIESCENT_TEMPLATE)
  const persistent = services.filter(isPersistent)
  if (quiescent === 0 && persistent.length > 0) {
    advice.push({
      sysctl: EXPIRE_QUIESCENT_TEMPLATE,
      value: quiescent,
      problem: `${EXPIRE_QUIESCENT_TEMPLATE} is 0, so persistent clients of ${nameList(persistent)} stay with a backend of weight 0.`,
      cure: `Set it with "sysctl -w ${EXPIRE_QUIESCENT_TEMPLATE}=1" and keep it in /etc/sysctl.d.`,
    })
  }
  return advice
}

function nodestVictims(services: readonly ServiceSpec[]): string {
  const udp = services.filter(({ identity }) => identity.kind === 'address' && identity.protocol === 'udp')
  const reset = 'connections that a drain deadline cuts hang instead of ending with a reset'
  return udp.length === 0
    ? reset
    : `packets of known clients of ${nameList(udp)} are lost when their backend is removed, and ${reset}`
}

function isPersistent({ persistence }: ServiceSpec): boolean {
  return persistence !== undefined && persistence !== 'none'
}

/** At most three names: the sentence stays one. */
function nameList(services: readonly ServiceSpec[]): string {
  const names = services.slice(0, 3).map(({ name }) => name)
  const more = services.length - names.length
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ')
}
