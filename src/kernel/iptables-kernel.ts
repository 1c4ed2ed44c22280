import type { AddressFamily } from '../model/address.ts'

/**
 * The nat table of iptables and ip6tables in one network namespace, where nftables cannot be had. Calls reject with a PointsmanError: NFT_MISSING
 * where the programs are not installed, NO_PERMISSION, KERNEL_REFUSED with the words of the program, KERNEL_STUCK past the deadline.
 */
export interface IptablesKernel extends AsyncDisposable {
  readonly by: 'iptables'
  /** Lines of iptables-save(8) for the nat table, with counters. KERNEL_REFUSED has `unreadable: true` in its detail where nft has written into that table what iptables cannot read. */
  saveNat(family: AddressFamily): Promise<readonly string[]>
  /** Lines for iptables-restore(8) without `*nat` and `COMMIT`; what they do not name stays. All of them or none. */
  restoreNat(family: AddressFamily, lines: readonly string[]): Promise<void>
  /** Called when a nat table may have been changed, by whomever. Returns the end of it. */
  onChange(listener: () => void): () => void
}

/** Which of the two iptables of a system: that which keeps its tables in nftables, or that of old, whose tables are beside them. */
export type IptablesVariant = 'nft' | 'legacy'

/** The filter tables of iptables and ip6tables. Calls reject as those of IptablesKernel do. */
export interface IptablesFilter {
  /** Lines of iptables-save(8) for the filter table, without counters; undefined where nobody has made that table by this variant, or nft wrote into it what iptables cannot read. */
  save(variant: IptablesVariant, family: AddressFamily): Promise<readonly string[] | undefined>
  /** As IptablesKernel.restoreNat, for the filter table. */
  restore(variant: IptablesVariant, family: AddressFamily, lines: readonly string[]): Promise<void>
}
