import type { Configuration } from '../../config/configuration.ts'
import type { IpAddress } from '../../model/address.ts'
import type { OwnershipOrigin } from '../../store/ownership.ts'
import type { Host, TableHolder } from '../host.ts'
import type { FirewallFacts } from './firewall-facts.ts'

/** `unknown`: the machine's module tree cannot be seen from here, as in a container. */
export type ModuleState = 'loaded' | 'loadable' | 'missing' | 'unknown'

/** Another program that writes IPVS tables and runs in the same network namespace. */
export interface OtherWriter {
  readonly pid: number
  readonly program: string
}

type Routes = ReturnType<Host['openRoutes']>

/** The interfaces with what is on them. */
export interface Neighbourhood {
  readonly links: Awaited<ReturnType<Routes['readLinks']>>
  readonly held: Awaited<ReturnType<Routes['readAddresses']>>
  /** What is in force for each interface that neighbours are found on by ARP: the larger value of its own and that of all. */
  readonly arp: ReadonlyMap<string, { readonly ignore: number; readonly announce: number }>
}

/** Everything that the doctor looks at, gathered without changing anything. */
export interface DoctorFacts {
  /** Undefined where it could not be read. */
  readonly configuration: Configuration | undefined
  /** Why not; one sentence. */
  readonly configurationProblem?: string
  readonly platform: string
  /** `6.1.0-18-amd64` */
  readonly kernelRelease: string
  readonly ipvsModule: ModuleState
  /** What the kernel said when it was asked; undefined while its module is not loaded. */
  readonly ipvs?: { readonly version: string } | { readonly problem: string }
  readonly schedulers: ReadonlyMap<string, ModuleState>
  readonly engines: ReadonlyMap<string, ModuleState>
  readonly capabilities: ReadonlySet<string>
  /** Of those in SYSCTLS; a name that the kernel does not have is absent. */
  readonly sysctls: ReadonlyMap<string, number>
  /** As `Host.routesLostToForwarding`; empty while IPv6 is forwarded. */
  readonly routesLostToForwarding: readonly string[]
  /** What nftables said; absent where no service needs it. */
  readonly nftables?: { readonly by: string } | { readonly problem: string }
  /** Connections in the kernel's table, and how many it takes; absent where they are not tracked. */
  readonly conntrack?: { readonly count: number; readonly max: number }
  /** Interfaces and their addresses; absent where no service cares. */
  readonly network?:
    | { readonly interfaces: ReadonlySet<string>; readonly addresses: ReadonlySet<IpAddress> }
    | { readonly problem: string }
  /** Absent where no service is there to be let through. */
  readonly firewall?: FirewallFacts
  /** As `network`; absent also where that could not be read. */
  readonly neighbourhood?: Neighbourhood
  readonly otherWriters: readonly OtherWriter[]
  /** kube-proxy in IPVS mode binds its service addresses to this interface. */
  readonly kubeInterface: boolean
  readonly holder: TableHolder | undefined
  readonly stateDirectory: { readonly path: string; readonly problem?: string }
  /** Undefined where it could not be read; then `problem` says why. */
  readonly record: { readonly origin: OwnershipOrigin } | { readonly problem: string }
}

/** The sysctls that matter to somebody. */
export const SYSCTLS = [
  'net.ipv4.vs.expire_nodest_conn',
  'net.ipv4.vs.expire_quiescent_template',
  'net.ipv4.vs.conntrack',
  'net.ipv4.vs.conn_reuse_mode',
  'net.ipv4.ip_forward',
  'net.ipv6.conf.all.forwarding',
  'net.ipv4.conf.all.rp_filter',
] as const

/** One line of the doctor's report. */
export interface Finding {
  readonly check: string
  readonly verdict: 'ok' | 'warn' | 'fail'
  readonly message: string
  /** What to do; absent where nothing has to be done. */
  readonly cure?: string
}

export function ok(check: string, message: string): Finding {
  return { check, verdict: 'ok', message }
}

export function warn(check: string, message: string, cure: string): Finding {
  return { check, verdict: 'warn', message, cure }
}

/** Without `cure` the message holds it. */
export function fail(check: string, message: string, cure?: string): Finding {
  return { check, verdict: 'fail', message, ...(cure !== undefined && { cure }) }
}
