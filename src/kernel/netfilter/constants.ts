/** Numbers of `linux/netlink.h`, `linux/netfilter/nfnetlink.h`, `linux/netfilter.h`. */
export const NETLINK_NETFILTER = 12

/** `struct nfgenmsg`: family, version (0), two bytes in network order that depend on the subsystem. */
export const NETFILTER_HEADER = 4

/** The high byte of a message's type. */
export const NFNL_SUBSYS_CTNETLINK = 1
export const NFNL_SUBSYS_NFTABLES = 10

/** Multicast group of changes to the ruleset. */
export const NFNLGRP_NFTABLES = 7

export const NFPROTO_UNSPEC = 0

/** Type of a message. */
export function netfilterType(subsystem: number, message: number): number {
  return (subsystem << 8) | message
}
