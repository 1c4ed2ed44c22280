/** Numbers of `linux/ip_vs.h`, in its order. */
export const IPVS_FAMILY = 'IPVS'

export const COMMAND = {
  newService: 1,
  setService: 2,
  delService: 3,
  getService: 4,
  newDest: 5,
  setDest: 6,
  delDest: 7,
  getDest: 8,
  newDaemon: 9,
  delDaemon: 10,
  getDaemon: 11,
  setConfig: 12,
  getConfig: 13,
  getInfo: 15,
  zero: 16,
  flush: 17,
} as const

/** IPVS_CMD_ATTR_* */
export const ATTR = { service: 1, dest: 2, daemon: 3, timeoutTcp: 4, timeoutTcpFin: 5, timeoutUdp: 6 } as const

/** IPVS_SVC_ATTR_* */
export const SERVICE = {
  family: 1,
  protocol: 2,
  address: 3,
  port: 4,
  fwmark: 5,
  scheduler: 6,
  flags: 7,
  timeout: 8,
  netmask: 9,
  engine: 11,
  stats64: 12,
} as const

/** IPVS_DEST_ATTR_* */
export const DEST = {
  address: 1,
  port: 2,
  forwarding: 3,
  weight: 4,
  upperThreshold: 5,
  lowerThreshold: 6,
  active: 7,
  inactive: 8,
  persistent: 9,
  family: 11,
  stats64: 12,
  tunnelType: 13,
  tunnelPort: 14,
  tunnelFlags: 15,
} as const

/** IPVS_DAEMON_ATTR_* */
export const DAEMON = { state: 1, interface: 2, id: 3, maximumLength: 4, group: 5, group6: 6, port: 7, ttl: 8 } as const
export const DAEMON_STATE = { master: 1, backup: 2 } as const

/** IPVS_INFO_ATTR_* */
export const INFO = { version: 1, connectionTableSize: 2 } as const

/** IPVS_STATS_ATTR_*: of the 64-bit nest; the rates (6 to 10) are not totals and are not read. */
export const STATS = { connections: 1, packetsIn: 2, packetsOut: 3, bytesIn: 4, bytesOut: 5 } as const

/** IP_VS_SVC_F_* that user space sets. */
export const SERVICE_FLAG = { persistent: 0x01, onePacket: 0x04, scheduler1: 0x08, scheduler2: 0x10, scheduler3: 0x20 } as const
/** The bits that the model holds. An edit names no others, so whatever else the kernel keeps there stays. */
export const OWNED_SERVICE_FLAGS = 0x3d

/** IP_VS_CONN_F_*: forwarding methods, and the mask that takes them out of the other connection flags. */
export const FORWARDING = { nat: 0, local: 1, tunnel: 2, direct: 3 } as const
export const FORWARDING_MASK = 0x07

/** IP_VS_CONN_F_TUNNEL_TYPE_* and IP_VS_TUNNEL_ENCAP_FLAG_* */
export const TUNNEL = { ipip: 0, gue: 1, gre: 2 } as const
export const TUNNEL_CHECKSUM = { none: 0, checksum: 1, 'remote-checksum': 2 } as const

/** IPPROTO_* */
export const PROTOCOL = { tcp: 6, udp: 17, sctp: 132 } as const
