import type { AddressFamily } from '../model/address.ts'

/**
 * The nat table of iptables and ip6tables in one network namespace, where nftables cannot be had. Calls reject with a PointsmanError: NFT_MISSING
 * where the programs are not installed, NO_PERMISSION, KERNEL_REFUSED with the words of the program, KERNEL_STUCK past the deadline.
 */
export interface IptablesKernel extends AsyncDisposable {
  readonly by: 'iptables'
  /** Lines of iptables-save(8) for the nat table, with counters. */
  saveNat(family: AddressFamily): Promise<readonly string[]>
  /** Lines for iptables-restore(8) without `*nat` and `COMMIT`; what they do not name stays. All of them or none. */
  restoreNat(family: AddressFamily, lines: readonly string[]): Promise<void>
}
