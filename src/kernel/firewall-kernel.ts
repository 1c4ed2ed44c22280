import type { IptablesFilter } from './iptables-kernel.ts'
import type { NftablesKernel } from './nftables-kernel.ts'

/**
 * All that filters packets in one network namespace: nftables, and the tables of iptables. Where the kernel has no nftables, its ruleset is empty and
 * tells of no changes; legacy tables of iptables tell of none in any case.
 */
export interface FirewallKernel extends AsyncDisposable {
  readonly nftables: Pick<NftablesKernel, 'readFilters' | 'apply' | 'onChange'>
  readonly iptables: IptablesFilter
}
