import type { Host } from './host.ts'

/**
 * Connections that the kernel tracks in this network namespace, and how many it takes: Infinity where the sysctl is 0, which the kernel takes
 * for no limit (nf_conntrack_alloc). Undefined before it tracks any.
 */
export function conntrackUsage(host: Pick<Host, 'readSysctl'>): { readonly count: number; readonly max: number } | undefined {
  const count = host.readSysctl('net.netfilter.nf_conntrack_count')
  const max = host.readSysctl('net.netfilter.nf_conntrack_max')
  return count === undefined || max === undefined ? undefined : { count, max: max === 0 ? Number.POSITIVE_INFINITY : max }
}
