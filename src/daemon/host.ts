import type { PointsmanError } from '../errors.ts'
import type { Probe } from '../health/probe.ts'
import type { ProbeTarget } from '../health/target.ts'
import type { StartThread } from '../health/threads/probe-thread.ts'
import type { openConntrackKernel, openFirewallKernel, openIptablesKernel, RuleMark } from '../kernel/for-daemon.ts'
import type { IpAddress, Port } from '../model/address.ts'
import type { TrafficCounters } from '../model/ipvs-table.ts'
import type { ProbeKind } from '../model/probe-spec.ts'
import type { AddressSinkOptions } from '../sinks/addresses/create-address-sink.ts'
import type { IpvsSinkOptions } from '../sinks/ipvs/ipvs-sink.ts'
import type { SnatSinkOptions } from '../sinks/snat/snat-sink.ts'

/** The kernel's IPVS table as sinks see it. */
export type IpvsKernel = IpvsSinkOptions['kernel']

/** Whoever writes the table of this network namespace, in its own words; `silent` does not say. */
export type TableHolder = { readonly pid: number; readonly command: string; readonly since: string } | 'silent'

/** What the commands need of the machine they run on; tests bring a scripted one. */
export interface Host {
  /**
   * Opens the table; rejects with IPVS_MISSING, NO_PERMISSION, KERNEL_REFUSED, KERNEL_STUCK or UNSUPPORTED_PLATFORM. `deadline`:
   * milliseconds without progress after which the kernel counts as stuck; `onStuck` is called once when that happens.
   */
  openKernel(deadline: number, onStuck?: (error: PointsmanError) => void): Promise<IpvsKernel>
  /** Rejects with NFT_MISSING, NO_PERMISSION, KERNEL_REFUSED or UNSUPPORTED_PLATFORM. */
  openNftables(): Promise<SnatSinkOptions['kernel']>
  /** Nothing is run before it is needed. */
  openIptables(): ReturnType<typeof openIptablesKernel>
  /** Rejects with NFT_MISSING, NO_PERMISSION, KERNEL_REFUSED or UNSUPPORTED_PLATFORM. */
  openFirewall(): ReturnType<typeof openFirewallKernel>
  openConntrack(): ReturnType<typeof openConntrackKernel>
  /** Interfaces and their addresses. */
  openRoutes(): AddressSinkOptions['kernel']
  /** Becomes the one writer of this network namespace until disposed of; rejects with TABLE_HELD, which says who it is. */
  holdTable(command: string): Promise<AsyncDisposable>
  whoHoldsTable(): Promise<TableHolder | undefined>
  /** Asks a backend. */
  probeFor(kind: ProbeKind, target: ProbeTarget): Probe
  /** A thread that asks backends in place of this one; throws where there can be none. */
  startProbeThread(...listener: Parameters<StartThread>): ReturnType<StartThread>
  /** Marks that routing rules look at; throws where they cannot be read. */
  readRuleMarks(): readonly RuleMark[]
  /** Name of the interface by which packets to an address leave; undefined where no way leads there; throws where that cannot be read. */
  linkTowards(address: IpAddress): string | undefined
  /** A sysctl by its dotted name as a number; undefined where there is none. */
  readSysctl(name: string): number | undefined
  /** Throws NO_PERMISSION and KERNEL_REFUSED. */
  writeSysctl(name: string, value: number): void
  /** Interfaces whose IPv6 default route the kernel drops when it begins to forward; to be asked only while it does not, for it reads all routes. */
  routesLostToForwarding(): readonly string[]
  /** TCP ports that this host listens on, or keeps for listeners. */
  listeningPorts(): readonly Port[]
  /** What all of IPVS has done in this network namespace; undefined before it is loaded. */
  readIpvsTotals(): TrafficCounters | undefined
  /** One message to the service manager (sd_notify(3)); nothing without NOTIFY_SOCKET. */
  notify(message: string): void
  /** Milliseconds after which the service manager wants a sign of life (WATCHDOG_USEC); undefined: it does not. */
  readonly watchdog: number | undefined
}
