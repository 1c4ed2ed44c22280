/** One object in libnftables' JSON (libnftables-json(5)): `{ table: … }`, `{ element: … }`, `{ rule: … }`. */
export type NftObject = Readonly<Record<string, unknown>>

/** One command in that JSON: `{ add: { element: … } }`, `{ delete: { table: … } }`. */
export type NftCommand = Readonly<Record<string, unknown>>

/**
 * nftables of one network namespace, by way of libnftables or nft(8). Calls reject with a PointsmanError: NFT_MISSING where neither can be had,
 * NO_PERMISSION, KERNEL_REFUSED with the words of nftables, KERNEL_STUCK past the deadline.
 */
export interface NftablesKernel extends AsyncDisposable {
  /** How it is reached: `libnftables` or `nft`. */
  readonly by: string
  /** All of them or none: one transaction. */
  apply(commands: readonly NftCommand[]): Promise<void>
  /** A table with its sets, maps, elements, chains and rules; undefined where there is none. */
  readTable(family: 'inet' | 'ip' | 'ip6', name: string): Promise<readonly NftObject[] | undefined>
  /**
   * Called when the ruleset of the namespace was changed (NFNLGRP_NFTABLES), also by ourselves, and when messages were lost. Returns the end of
   * it. Where the kernel sends no such messages it is never called: a full pass notices.
   */
  onChange(listener: () => void): () => void
}
