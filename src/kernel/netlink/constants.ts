/** Numbers of `linux/netlink.h` and `linux/genetlink.h`. */
export const NETLINK_GENERIC = 16

/** `struct nlmsghdr`: length, type, flags, sequence number, port id. */
export const MESSAGE_HEADER = 16
/** `struct genlmsghdr`: command, version, reserved. */
export const GENERIC_HEADER = 4
/** `struct nlattr`: length and type, then the value, padded to 4 bytes. */
export const ATTRIBUTE_HEADER = 4

export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3

export const NLM_F_REQUEST = 0x01
export const NLM_F_ACK = 0x04
export const NLM_F_DUMP_INTR = 0x10
/** NLM_F_ROOT | NLM_F_MATCH */
export const NLM_F_DUMP = 0x300
/** In an NLMSG_ERROR: only the header of the request is repeated. */
export const NLM_F_CAPPED = 0x100
/** In an NLMSG_ERROR: attributes of the extended acknowledgement follow. */
export const NLM_F_ACK_TLVS = 0x200

export const NLMSGERR_ATTR_MSG = 1

/** The two highest bits of an attribute type are flags (NLA_F_NESTED, NLA_F_NET_BYTEORDER). */
export const NLA_TYPE_MASK = 0x3fff

export const SOL_NETLINK = 270
export const NETLINK_CAP_ACK = 10
export const NETLINK_EXT_ACK = 11

/** The family that knows the other families, and its attributes. */
export const GENL_ID_CTRL = 16
export const CTRL_CMD_GETFAMILY = 3
export const CTRL_ATTR_FAMILY_ID = 1
export const CTRL_ATTR_FAMILY_NAME = 2

/** Where the next message or attribute starts. */
export function align4(length: number): number {
  return (length + 3) & ~3
}
