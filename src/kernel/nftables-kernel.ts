/** One object in libnftables' JSON (libnftables-json(5)): `{ table: … }`, `{ element: … }`, `{ rule: … }`. */
export type NftObject = Readonly<Record<string, unknown>>

/** One command in that JSON: `{ add: { element: … } }`, `{ delete: { table: … } }`. */
export type NftCommand = Readonly<Record<string, unknown>>

/** What others did to the ruleset. */
export interface NftChange {
  /** Tables of which something was changed, each as `inet pointsman`. Undefined when messages were lost: it may be any. */
  readonly tables: ReadonlySet<string> | undefined
}

/**
 * nftables of one network namespace, by way of libnftables or nft(8). Calls are done one after the other and reject with a PointsmanError: NFT_MISSING
 * where neither can be had, NO_PERMISSION, KERNEL_REFUSED with the words of nftables (`detail.errno` where they are known: ENOENT, EEXIST, …),
 * KERNEL_STUCK past the deadline, and at once as long as the call that passed it has not come back. What passed the deadline may still be done later.
 */
export interface NftablesKernel extends AsyncDisposable {
  /** How it is reached: `libnftables` or `nft`. */
  readonly by: string
  /** All of them or none: one transaction. */
  apply(commands: readonly NftCommand[]): Promise<void>
  /** A table with its sets, maps, elements, chains and rules; undefined where there is none. */
  readTable(family: 'inet' | 'ip' | 'ip6', name: string): Promise<readonly NftObject[] | undefined>
  /** The tables that filter at `input`, `forward` or `output`, as readTable gives each, one after the other. What the others hold costs nothing. */
  readFilters(): Promise<readonly NftObject[]>
  /**
   * Called when the ruleset of the namespace was changed by others (NFNLGRP_NFTABLES), or when messages were lost; at most once a turn of the event
   * loop. Changes by `apply` of this object are left out. Returns the end of it. Where the kernel sends no such messages it is never called: a full
   * pass notices.
   */
  onChange(listener: (change: NftChange) => void): () => void
}
