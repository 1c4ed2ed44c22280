import { readdirSync, statSync } from 'node:fs'
import { release, totalmem } from 'node:os'
import type { ServiceSpec } from '../model/service-spec.ts'
import { conntrackUsage } from './conntrack-usage.ts'
import type { Host } from './host.ts'
import { isBefore } from './kernel-release.ts'
import { CONNTRACK, usesNat } from './sysctl-advice.ts'

export const REUSE = 'net.ipv4.vs.conn_reuse_mode'
export const RP_FILTER = 'net.ipv4.conf.all.rp_filter'
export const CONNTRACK_MAX = 'net.netfilter.nf_conntrack_max'

/** Percent of a connection table above which a host should have a larger one. */
export const NEARLY_FULL = 80
/** Bytes of an entry of it, and what part of the memory all of them may take. */
const ENTRY = 320
const MEMORY_SHARE = 16
const WRITABLE = 0o200

/** A sysctl that should have another value. */
export interface WantedSysctl {
  readonly sysctl: string
  readonly value: number
  readonly wanted: number
}

/** What is to be known of the machine beside its sysctls; tests put their own here. */
export interface Machine {
  /** Of the kernel: `6.1.0-18-amd64`. */
  readonly release: string
  /** Bytes. */
  readonly memory: number
  /** The size of the connection table can be set from here, which only the host's own network namespace can. */
  readonly mayResize: () => boolean
  readonly links: () => readonly string[]
}

const REAL: Machine = { release: release(), memory: totalmem(), mayResize: isHostNamespace, links: ipv4Links }

/**
 * What no service fails without at once, as what `sysctlAdvice` gives, and what a host with these services is better off with: reused ports that are
 * balanced anew, packets that may come by another interface than answers go by, room for connections.
 */
export function usefulSysctls(
  services: readonly ServiceSpec[],
  host: Pick<Host, 'readSysctl'>,
  machine: Machine = REAL,
): WantedSysctl[] {
  if (services.length === 0) return []
  return [...reuse(host, machine), ...reversePath(services, host, machine), ...connectionTable(services, host, machine)]
}

/** Whether the kernel keeps a client that uses a port again waiting for a second, unless conn_reuse_mode is 0 (before Linux 5.9, with conntrack). */
export function delaysReuse(kernelRelease: string, readSysctl: Host['readSysctl']): boolean {
  return readSysctl(CONNTRACK) === 1 && isBefore(kernelRelease, 5, 9)
}

/** Interfaces on which rp_filter is strict. */
export function strictLinks(host: Pick<Host, 'readSysctl'>, links: () => readonly string[] = ipv4Links): string[] {
  const isStrict = (link: string) => host.readSysctl(`net.ipv4.conf.${link.replaceAll('.', '/')}.rp_filter`) === 1
  return links().filter((link) => !['all', 'default', 'lo'].includes(link) && isStrict(link))
}

/** In another network namespace the kernel shows the size of the host's table as a file that nobody may write. */
export function isHostNamespace(): boolean {
  const stats = statSync('/proc/sys/net/netfilter/nf_conntrack_max', { throwIfNoEntry: false })
  return stats === undefined || (stats.mode & WRITABLE) !== 0
}

function ipv4Links(): string[] {
  try {
    return readdirSync('/proc/sys/net/ipv4/conf')
  } catch {
    return []
  }
}

/** On an old kernel either value has its price, and the choice is the operator's. */
function reuse(host: Pick<Host, 'readSysctl'>, { release: kernelRelease }: Machine): WantedSysctl[] {
  const value = host.readSysctl(REUSE)
  if (value !== 0 || delaysReuse(kernelRelease, (name) => host.readSysctl(name))) return []
  return [{ sysctl: REUSE, value, wanted: 1 }]
}

/** The larger of `all` and the interface's own value counts: 2 for all beats 1 anywhere. */
function reversePath(services: readonly ServiceSpec[], host: Pick<Host, 'readSysctl'>, { links }: Machine): WantedSysctl[] {
  const value = host.readSysctl(RP_FILTER)
  if (value === undefined || value === 2 || !services.some((service) => usesNat(service, 'ipv4'))) return []
  return value === 1 || strictLinks(host, links).length > 0 ? [{ sysctl: RP_FILTER, value, wanted: 2 }] : []
}

/** Twice as large where it is nearly full, for as long as memory allows it. */
function connectionTable(
  services: readonly ServiceSpec[],
  host: Pick<Host, 'readSysctl'>,
  { memory, mayResize }: Machine,
): WantedSysctl[] {
  const usage = services.some(({ fullNat }) => fullNat) ? conntrackUsage(host) : undefined
  if (usage === undefined || usage.count * 100 <= usage.max * NEARLY_FULL) return []
  const wanted = Math.min(usage.max * 2, Math.floor(memory / MEMORY_SHARE / ENTRY))
  return wanted > usage.max && mayResize() ? [{ sysctl: CONNTRACK_MAX, value: usage.max, wanted }] : []
}
