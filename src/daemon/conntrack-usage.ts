import type { Host } from './host.ts'

/** Connections that the kernel tracks in this network namespace, and how many it takes; undefined before it tracks any. */
export function conntrackUsage(host: Pick<Host, 'readSysctl'>): { readonly count: number; readonly max: number } | undefined {
  const count = host.readSysctl('net.netfilter.nf_conntrack_count')
  const max = host.readSysctl('net.netfilter.nf_conntrack_max')
  return count === undefined || max === undefined ? undefined : { count, max }
}
