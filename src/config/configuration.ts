import type { Issue } from '../document/issue.ts'
import type { IpAddress, Port } from '../model/address.ts'
import type { CatalogSpec } from '../model/catalog-spec.ts'
import type { IpvsTimeouts, SyncDaemon } from '../model/ipvs-table.ts'
import type { MarkRange } from '../model/probe-road.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { PortRange } from '../model/source-nat.ts'
import type { StateEventKind } from '../model/state-event.ts'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** `auto` is pretty on a terminal and JSON elsewhere. */
export const LOG_FORMATS = ['auto', 'json', 'pretty'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

/** What happens to the kernel's table when the daemon stops. */
export const EXIT_POLICIES = ['keep', 'drain', 'remove'] as const
export type ExitPolicy = (typeof EXIT_POLICIES)[number]

/** What concerns the process and not one service. Durations are milliseconds. */
export interface Settings {
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
  /** Absolute path of the file that has the log in place of standard output. */
  readonly logFile: string | 'off'
  /** Megabytes (2^20 bytes) after which it begins anew; 0: never. */
  readonly logMaxSize: number
  /** Former files that stay. */
  readonly logKeep: number
  /** Absolute path of the file that has the lines of `traffic_log`; `off`: they are in the log. */
  readonly trafficLogFile: string | 'off'
  /** Where `/metrics`, `/healthz`, `/readyz` and the status page are served; `off` by default. */
  readonly admin: { readonly address: IpAddress; readonly port: Port } | 'off'
  readonly metricsEnabled: boolean
  /** Starts with a slash. */
  readonly metricsPath: string
  /** Whether the status page is served there. */
  readonly statusPage: boolean
  /** Host names that it answers to, beside addresses and localhost; in small letters. */
  readonly adminAllowedHosts: readonly string[]
  /** Between two full reads of the kernel. */
  readonly resyncInterval: number
  readonly onExit: ExitPolicy
  /** Absolute path of the directory of the durable record. */
  readonly stateDir: string
  /** How long the kernel worker may take for one piece of work before it counts as stuck. */
  readonly kernelDeadline: number
  /** Whether series are exported per backend or per service only. */
  readonly perBackendMetrics: boolean
  /** Whether node_exporter's `node_ipvs_*` are exported as well. */
  readonly metricsNodeIpvs: boolean
  /** Probes of backends under way at a time. */
  readonly maxProbes: number
  /** Threads that ask backends, 0–16; 0: the main one does. */
  readonly probeThreads: number
  /** How long a watched file must be quiet before it is read. */
  readonly watchSettle: number
  /** How often a watched file is looked at although no event came. */
  readonly watchPoll: number
  /** Part of the names of what is ours in the kernel: the nftables table and the interface for addresses. */
  readonly instance: string
  /** Whether sysctls that the services need are set, and, but for forwarding, put back by `on_exit: remove`. */
  readonly manageSysctls: boolean
  /** Whether filters of this host that would drop packets of services are given rules that let them pass. */
  readonly manageFirewall: boolean
}

/** What belongs to the kernel's IPVS as a whole. What is absent is not ours. */
export interface IpvsSettings {
  readonly timeouts?: Partial<IpvsTimeouts>
  readonly syncDaemons?: readonly SyncDaemon[]
}

/** What concerns the source NAT of all services. */
export interface SnatSettings {
  /** Absent: nftables, and iptables where that cannot be had. */
  readonly by?: 'nftables' | 'iptables'
  /** Absent: what the sink chooses. */
  readonly ports?: PortRange
}

/** Who is told of transitions. At least one of the four is there. Of programs: the absolute path, then the arguments. */
export interface HooksSettings {
  readonly exec?: readonly string[]
  /** Run when a service has its quorum and when it has lost it, whatever `on` says. */
  readonly quorumUp?: readonly string[]
  readonly quorumDown?: readonly string[]
  /** May hold a secret: it is never shown. */
  readonly webhook?: string
  /** Of which `exec` and `webhook` are told. */
  readonly on: readonly StateEventKind[]
  /** Milliseconds that one run may take. */
  readonly timeout: number
}

/** What probes with `via: vip` need of the whole. */
export interface ProbeRoadSettings {
  /** Marks that they may use, both included. */
  readonly marks: MarkRange
  /** Where they come from, at most one of each family; absent: the address of the route to the backend. */
  readonly sources: readonly IpAddress[]
}

/** A whole configuration, checked, with every default filled in. Deeply frozen by type; equal input gives equal output. */
export interface Configuration {
  readonly path: string
  readonly settings: Settings
  readonly services: readonly ServiceSpec[]
  /** Registries whose services may become virtual services by themselves. */
  readonly catalogs: readonly CatalogSpec[]
  readonly ipvs: IpvsSettings
  readonly hooks?: HooksSettings
  readonly probeRoads: ProbeRoadSettings
  readonly snat: SnatSettings
}

/** Issues are in the order of the file; there is at least one where `ok` is false. */
export type LoadResult =
  | { readonly ok: true; readonly configuration: Configuration; readonly warnings: readonly Issue[] }
  | {
      readonly ok: false
      readonly issues: readonly Issue[]
      /** How many further ones there are, where another thread found them and handed over the first alone. */
      readonly omitted?: number
    }

/** The keys of `global:` that a flag or a `POINTSMAN_*` variable may also set. */
export type SettingName =
  | 'log_level'
  | 'log_format'
  | 'log_file'
  | 'log_max_size'
  | 'log_keep'
  | 'traffic_log_file'
  | 'admin'
  | 'metrics_enabled'
  | 'metrics_path'
  | 'status_page'
  | 'admin_allowed_hosts'
  | 'resync_interval'
  | 'on_exit'
  | 'state_dir'
  | 'kernel_deadline'
  | 'per_backend_metrics'
  | 'metrics_node_ipvs'
  | 'max_probes'
  | 'probe_threads'
  | 'watch_settle'
  | 'watch_poll'
  | 'instance'
  | 'manage_sysctls'
  | 'manage_firewall'

/** What beats the file: flags first, then the environment. */
export interface Overrides {
  /** Values of flags as typed on the command line, by setting name: `{ log_level: 'debug' }`. */
  readonly flags?: { readonly [Name in SettingName]?: string | undefined }
  /** Usually `process.env`; only `POINTSMAN_*` is looked at. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}
