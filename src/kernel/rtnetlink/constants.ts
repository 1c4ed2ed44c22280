/** Numbers of `linux/netlink.h`, `linux/rtnetlink.h`, `linux/if_link.h`, `linux/if_addr.h`, `linux/if.h` and `linux/if_arp.h`. */
export const NETLINK_ROUTE = 0

export const RTM_NEWLINK = 16
export const RTM_DELLINK = 17
export const RTM_GETLINK = 18
export const RTM_NEWADDR = 20
export const RTM_DELADDR = 21
export const RTM_GETADDR = 22

export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400

/** `1 << (RTNLGRP_… - 1)`: links, IPv4 addresses, IPv6 addresses. */
export const RTMGRP_LINK = 0x1
export const RTMGRP_IPV4_IFADDR = 0x10
export const RTMGRP_IPV6_IFADDR = 0x100

/** `struct ifinfomsg`: family, type of hardware, index, flags, which flags change. */
export const LINK_HEADER = 16
export const IFLA_ADDRESS = 1
export const IFLA_IFNAME = 3
export const IFLA_MTU = 4
export const IFLA_LINKINFO = 18
export const IFLA_EXT_MASK = 29
export const IFLA_INFO_KIND = 1
export const RTEXT_FILTER_SKIP_STATS = 8

export const IFF_UP = 0x1
export const IFF_LOOPBACK = 0x8
export const IFF_NOARP = 0x80
export const IFF_LOWER_UP = 0x10000
export const ARPHRD_ETHER = 1

/** `struct ifaddrmsg`: family, prefix length, flags, scope, index of the link. */
export const ADDRESS_HEADER = 8
export const IFA_ADDRESS = 1
export const IFA_LOCAL = 2
export const IFA_LABEL = 3
export const IFA_CACHEINFO = 6
export const IFA_FLAGS = 8
export const IFA_F_NODAD = 0x02
export const IFA_F_DEPRECATED = 0x20
/** Seconds of a lifetime that does not end. */
export const INFINITE_LIFETIME = 0xffffffff
