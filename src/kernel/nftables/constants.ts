/** Numbers of `linux/netfilter/nf_tables.h` and of the families in `linux/netfilter.h`. */
export const NFT_MSG_NEWGEN = 15
export const NFT_MSG_GETGEN = 16

export const NFTA_GEN_ID = 1
/** The first attribute of every other message about the ruleset: NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_SET_ELEM_LIST_TABLE, … */
export const NFTA_TABLE = 1

/** NFPROTO_* by number, as nft(8) names them. */
export const FAMILY_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'inet'],
  [2, 'ip'],
  [3, 'arp'],
  [5, 'netdev'],
  [7, 'bridge'],
  [10, 'ip6'],
])
