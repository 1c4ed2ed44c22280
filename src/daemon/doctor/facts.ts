import type { Configuration } from '../../config/configuration.ts'
import type { IpAddress } from '../../model/address.ts'
import type { Forwarding } from '../../model/destination.ts'
import type { OwnershipOrigin } from '../../store/ownership.ts'
import type { Host, TableHolder } from '../host.ts'
import type { OtherProcess } from './cures.ts'
import type { FirewallFacts } from './firewall-facts.ts'

/** `unknown`: the machine's module tree cannot be seen from here, as in a container. */
export type ModuleState = 'loaded' | 'loadable' | 'missing' | 'unknown'

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
  /** The file that was asked for, readable or not. */
  readonly configurationPath?: string
  readonly platform: string
  /** `6.1.0-18-amd64` */
  readonly kernelRelease: string
  readonly ipvsModule: ModuleState
  /** What the kernel said when it was asked; undefined while its module is not loaded. */
  readonly ipvs?:
    | { readonly version: string; readonly tableSize: number; readonly connections: number }
    | { readonly problem: string }
  /** Until the next boot the kernel loads no module any more (kernel.modules_disabled). */
  readonly modulesLocked?: boolean
  /** Modules that the configuration needs beside those of IPVS. */
  readonly modules?: ReadonlyMap<NeededModule, ModuleState>
  readonly schedulers: ReadonlyMap<string, ModuleState>
  readonly engines: ReadonlyMap<string, ModuleState>
  readonly capabilities: ReadonlySet<string>
  /** Of those in SYSCTLS; a name that the kernel does not have is absent. */
  readonly sysctls: ReadonlyMap<string, number>
  /** As `Host.routesLostToForwarding`; empty while IPv6 is forwarded. */
  readonly routesLostToForwarding: readonly string[]
  /** What nftables said; absent where no service needs it. */
  readonly nftables?:
    | { readonly by: string }
    | { readonly problem: string /** What the configuration insists on. */; readonly wanted?: 'iptables' }
  /** Installs a package here: `apt-get install -y`; absent where that is not known. */
  readonly installer?: string
  /** Connections in the kernel's table, how many it takes, and the size of its hash table; absent where they are not tracked. */
  readonly conntrack?: { readonly count: number; readonly max: number; readonly buckets?: number }
  /** What belongs to the whole host can be written from this network namespace, for it is the host's own. */
  readonly isHostNamespace?: boolean
  /** Interfaces and their addresses; absent where no service cares. */
  readonly network?:
    | {
        readonly interfaces: ReadonlySet<string>
        readonly addresses: ReadonlySet<IpAddress>
        /** Those of `interfaces` that are switched off. */
        readonly down?: ReadonlySet<string>
      }
    | { readonly problem: string }
  /** As `network`; absent also where that could not be read. */
  readonly neighbourhood?: Neighbourhood
  /** Addresses of services that packets cannot be delivered to here. */
  readonly lostAddresses?: ReadonlySet<IpAddress>
  /** Interfaces on which rp_filter is strict. */
  readonly strictLinks?: readonly string[]
  /** Backends whose probes through the virtual address would get no answer; absent where no service is probed so. */
  readonly lostWaysBack?: readonly LostProbe[]
  /** By what ways packets go to backends of tunnels, each once. */
  readonly tunnels?: readonly TunnelWay[]
  /** What the sources of the configuration said when they were asked, each once. */
  readonly sources?: readonly AskedSource[]
  readonly clock?: ClockFacts
  readonly admin?: AdminFacts
  readonly descriptors?: { readonly limit: number; readonly pid?: number }
  /** systemd runs this host. */
  readonly systemd?: boolean
  /** Absent where no service is there to be let through. */
  readonly firewall?: FirewallFacts
  readonly otherWriters: readonly OtherProcess[]
  /** They bring addresses of services here and take them away: VRRP and the like. */
  readonly addressMovers: readonly OtherProcess[]
  /** Every process of this host can be seen from here, so that what is not found does not run. */
  readonly seesEveryProcess: boolean
  /** kube-proxy in IPVS mode binds its service addresses to this interface; absent where it is not there. `addresses`: how many, where that is known. */
  readonly kubeInterface?: { readonly addresses?: number }
  readonly holder: TableHolder | undefined
  /** Who has the table's socket, where it does not say so itself. */
  readonly silentHolder?: OtherProcess
  readonly stateDirectory: StateDirectoryFacts
  /** Undefined where it could not be read; then `problem` says why. */
  readonly record: { readonly origin: OwnershipOrigin } | { readonly problem: string }
}

/** Modules beside those of IPVS that a configuration may need. */
export type NeededModule = 'nf_conntrack' | 'nft_chain_nat' | 'dummy'

export interface StateDirectoryFacts {
  readonly path: string
  /** Why it cannot be used; one sentence without its end. */
  readonly problem?: string
  /** The reason in the kernel's word: `EROFS`. */
  readonly errno?: string
  /** The user who looked. */
  readonly user?: number
  /** To whom the directory belongs; absent where it is not there, or is not to be seen. */
  readonly owner?: number
  /** It is not there, for certain. */
  readonly missing?: true
  /** Of the nearest directory that is there. */
  readonly fileSystem?: { readonly kind: 'disk' | 'memory' | 'network'; readonly mount: string; readonly freeBytes: number }
  /** Bytes of the path of the operator's socket in it. */
  readonly socketPath?: number
}

/** Probes with `via: vip` that cannot be answered, by service. */
export interface LostProbe {
  readonly service: string
  readonly why: string
  /** As of `LostWayBack`. */
  readonly sysctls: readonly string[]
}

export interface TunnelWay {
  readonly service: string
  readonly tunnel: (Forwarding & { readonly method: 'tunnel' })['tunnel']
  /** Bytes that encapsulation adds to a packet. */
  readonly overhead: number
  /** By which packets leave; absent where no way is known. */
  readonly link?: { readonly name: string; readonly mtu: number }
}

export interface AskedSource {
  readonly name: string
  /** Which it is the source of; none for a catalog. */
  readonly services: readonly string[]
  /** Backends that it named, for a catalog services; absent where it did not answer. */
  readonly named?: number
  /** Why it did not; one sentence. */
  readonly failure?: string
}

export interface ClockFacts {
  /** Milliseconds since the epoch. */
  readonly now: number
  /** When something in the state directory was written last. */
  readonly lastWrite?: number
  /** Absent where the kernel does not tell. */
  readonly isKept?: boolean
}

export interface AdminFacts {
  /** `127.0.0.1:9095` */
  readonly endpoint: string
  /** What trying to listen there said: `EADDRINUSE`; absent where it can be used. */
  readonly errno?: string
  /** Who listens there. */
  readonly listener?: OtherProcess
  /** It is of the user of the daemon that runs, whose sockets cannot be seen. */
  readonly hidden?: true
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

/** What makes a line well. Commands are for a shell of root, as they stand. */
export interface Cure {
  /** What to do, in words, where no command does it or where the command is not for everybody. */
  readonly cure?: string
  /** A command that makes it well now. */
  readonly run?: string
  /** A command by which it stays so across a boot; absent where `run` lasts, or where no command does it. */
  readonly keep?: string
}

/** One line of the doctor's report. A line that is not ok has something of a cure; a failure may have it in its message. */
export interface Finding extends Cure {
  readonly check: string
  readonly verdict: 'ok' | 'warn' | 'fail'
  readonly message: string
}

export function ok(check: string, message: string): Finding {
  return { check, verdict: 'ok', message }
}

export function warn(check: string, message: string, cure: string | Cure): Finding {
  return { check, verdict: 'warn', message: unended(message), ...asCure(cure) }
}

/** Without `cure` the message holds it. */
export function fail(check: string, message: string, cure: string | Cure = {}): Finding {
  return { check, verdict: 'fail', message: unended(message), ...asCure(cure) }
}

/** Sentences of errors come with their end. */
function unended(sentence: string): string {
  return sentence.replace(/\.$/, '')
}

function asCure(cure: string | Cure): Cure {
  return typeof cure === 'string' ? { cure } : cure
}
