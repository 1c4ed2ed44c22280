import { type AddressFamily, familyOf } from '../model/address.ts'
import type { Forwarding } from '../model/destination.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { Host } from './host.ts'

/** A sysctl whose value harms what the configuration asks for. */
export interface SysctlAdvice {
  readonly sysctl: string
  readonly value: number
  /** What it should be. */
  readonly wanted: number
  /** One sentence: what goes wrong. */
  readonly problem: string
  /** One sentence: what to do. */
  readonly cure: string
  /** What is to be set, in this order: `net.ipv4.ip_forward=1`. */
  readonly assignments: readonly string[]
  /** Why more than one; a sentence without its end. */
  readonly why?: string
  /** It cuts the host off unless somebody does something else before: nobody sets it unasked. */
  readonly isHarmful: boolean
}

export const EXPIRE_NODEST_CONN = 'net.ipv4.vs.expire_nodest_conn'
export const EXPIRE_QUIESCENT_TEMPLATE = 'net.ipv4.vs.expire_quiescent_template'
export const CONNTRACK = 'net.ipv4.vs.conntrack'
const FORWARD = { ipv4: 'net.ipv4.ip_forward', ipv6: 'net.ipv6.conf.all.forwarding' } as const

/** Others on the host may rely on them once they are on. */
export const FORWARDING: ReadonlySet<string> = new Set(Object.values(FORWARD))

/** A sysctl that some services need to be on, and what goes wrong with them while it is 0. */
interface Need {
  readonly sysctl: string
  readonly isNeededBy: (service: ServiceSpec) => boolean
  readonly whatOf: (needing: readonly ServiceSpec[]) => string
}

const NEEDS: readonly Need[] = [
  { sysctl: EXPIRE_NODEST_CONN, isNeededBy: () => true, whatOf: nodestVictims },
  {
    sysctl: EXPIRE_QUIESCENT_TEMPLATE,
    isNeededBy: isPersistent,
    whatOf: (persistent) => `persistent clients of ${nameList(persistent)} stay with a backend of weight 0`,
  },
  {
    sysctl: CONNTRACK,
    isNeededBy: ({ fullNat }) => fullNat,
    whatOf: (translated) => `the source NAT of ${nameList(translated)} sees no packet`,
  },
  ...(['ipv4', 'ipv6'] as const).map(
    (family): Need => ({
      sysctl: FORWARD[family],
      isNeededBy: (service) => usesNat(service, family),
      whatOf: (forwarded) => `the replies of ${nameList(forwarded)} (nat) do not pass this host`,
    }),
  ),
]

/** What the services need and the kernel is not set to. Values that are undefined could not be read and are not judged. */
export function sysctlAdvice(
  services: readonly ServiceSpec[],
  host: Pick<Host, 'readSysctl' | 'routesLostToForwarding'>,
): SysctlAdvice[] {
  return NEEDS.flatMap(({ sysctl, isNeededBy, whatOf }) => {
    // Before all services are gone through: most hosts are set well.
    const value = host.readSysctl(sysctl)
    if (value !== 0) return []
    const needing = services.filter(isNeededBy)
    if (needing.length === 0) return []
    const problem = `${sysctl} is 0, so ${whatOf(needing)}.`
    const lost = sysctl === FORWARD.ipv6 ? host.routesLostToForwarding() : []
    return [{ sysctl, value, wanted: 1, problem, ...cureOf(sysctl, lost), isHarmful: lost.length > 0 }]
  })
}

/** A kernel that forwards takes no router advertisements, and drops what it has learnt from them, unless `accept_ra` is 2. */
function cureOf(sysctl: string, lost: readonly string[]): Pick<SysctlAdvice, 'cure' | 'assignments' | 'why'> {
  const before = lost.map((link) => `net.ipv6.conf.${link.replaceAll('.', '/')}.accept_ra=2`)
  const assignments = [...before, `${sysctl}=1`]
  const cure = `Set it with "sysctl -w ${assignments.join(' ')}" and keep it in /etc/sysctl.d`
  if (lost.length === 0) return { assignments, cure: `${cure}.` }
  const why = `without accept_ra=2 the host would lose the IPv6 default route that ${lost.join(' and ')} has from router advertisements`
  return { assignments, cure: `${cure}; ${why}.`, why }
}

/** Whether replies of a backend of this family go through this host. */
export function usesNat(service: ServiceSpec, family: AddressFamily): boolean {
  const { identity } = service
  const own = identity.kind === 'fwmark' ? identity.family : familyOf(identity.address)
  if (own !== family) return false
  const methods: Forwarding[] = [service.forwarding]
  for (const backend of service.backends.values()) if (backend.forwarding !== undefined) methods.push(backend.forwarding)
  return methods.some(({ method }) => method === 'nat')
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
