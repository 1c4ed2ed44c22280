/** Numbers of `linux/netfilter/nfnetlink_conntrack.h`. */
export const IPCTNL_MSG_CT_NEW = 0
export const IPCTNL_MSG_CT_GET = 1
export const IPCTNL_MSG_CT_DELETE = 2

export const CTA_TUPLE_ORIG = 1
export const CTA_TUPLE_REPLY = 2
export const CTA_STATUS = 3
export const CTA_ID = 12
export const CTA_ZONE = 18

export const CTA_TUPLE_IP = 1
export const CTA_TUPLE_PROTO = 2

export const CTA_IP_V4_SRC = 1
export const CTA_IP_V4_DST = 2
export const CTA_IP_V6_SRC = 3
export const CTA_IP_V6_DST = 4

export const CTA_PROTO_NUM = 1
export const CTA_PROTO_SRC_PORT = 2
export const CTA_PROTO_DST_PORT = 3

/**
 * `linux/netfilter/nf_conntrack_common.h`: the source of the flow is translated. IPS_SRC_NAT_DONE (bit 7) says only that it was asked whether it is
 * to be, and stands in every entry that has passed a nat chain.
 */
export const IPS_SRC_NAT = 1 << 4

/** The same: the flow was answered through here, so it works as it is. */
export const IPS_SEEN_REPLY = 1 << 1

/** The same: NAT sent the flow to another destination. IPVS, which alters the reply only, leaves it out. */
export const IPS_DST_NAT = 1 << 5

/** `linux/in.h`. */
export const PROTOCOL_NUMBERS = { tcp: 6, udp: 17, sctp: 132 } as const
