import { formatEndpoint, type IpAddress, type Port } from './address.ts'
import type { Brand } from './brand.ts'

/** One text per destination of a service: `10.0.1.1:8080`, `[2001:db8::1]:80`. Forwarding and weight are not part of it. */
export type DestinationKey = Brand<string, 'DestinationKey'>

/** Encapsulation of the tunnel method (`linux/ip_vs.h`: IP_VS_CONN_F_TUNNEL_TYPE_*). Port and checksum matter for gue and gre only. */
export type Tunnel =
  | { readonly type: 'ipip' }
  | { readonly type: 'gue'; readonly port: Port; readonly checksum: 'none' | 'checksum' | 'remote-checksum' }
  | { readonly type: 'gre'; readonly checksum: 'none' | 'checksum' }

/** How packets reach the real server. `local` is delivery on the director itself. */
export type Forwarding =
  | { readonly method: 'nat' }
  | { readonly method: 'direct' }
  | { readonly method: 'local' }
  | { readonly method: 'tunnel'; readonly tunnel: Tunnel }

/**
 * A forwarding that this program has no name for: a newer kernel may hold it for somebody else. It is only ever read, and
 * given back with the numbers that it was read with, so that one stranger does not make the whole table unreadable.
 */
export interface UnknownForwarding {
  readonly method: 'unknown'
  /** `IPVS_DEST_ATTR_FWD_METHOD`, `_TUN_TYPE`, `_TUN_PORT` and `_TUN_FLAGS`. */
  readonly code: number
  readonly tunnelType: number
  readonly tunnelPort: Port
  readonly tunnelFlags: number
}

/** A real server of a virtual service as the kernel holds it. */
export interface Destination {
  readonly address: IpAddress
  readonly port: Port
  readonly forwarding: Forwarding | UnknownForwarding
  /** 0–65535; 0 takes no new connections and keeps the old ones. */
  readonly weight: number
  /** Connections above which no new one is given; 0 is no limit. 0–2147483647. */
  readonly upperThreshold: number
  /** Connections below which an overloaded server is used again; 0 lets the kernel take three quarters of the upper one. */
  readonly lowerThreshold: number
}

/** The key of a destination inside its service. */
export function destinationKey(destination: { readonly address: IpAddress; readonly port: Port }): DestinationKey {
  return formatEndpoint(destination.address, destination.port) as DestinationKey
}

/** Whether two forwardings are the same to the kernel. */
export function sameForwarding(a: Destination['forwarding'], b: Destination['forwarding']): boolean {
  return forwardingText(a) === forwardingText(b)
}

/** `nat`, `direct`, `local`, `tunnel ipip`, `tunnel gue port 6080 remote-checksum`: for people and for comparison. */
export function forwardingText(forwarding: Destination['forwarding']): string {
  if (forwarding.method === 'unknown') {
    const { code, tunnelType, tunnelPort, tunnelFlags } = forwarding
    return `unknown method ${code} tunnel type ${tunnelType} port ${tunnelPort} flags ${tunnelFlags}`
  }
  if (forwarding.method !== 'tunnel') return forwarding.method
  const { tunnel } = forwarding
  if (tunnel.type === 'ipip') return 'tunnel ipip'
  const port = tunnel.type === 'gue' ? ` port ${tunnel.port}` : ''
  const checksum = tunnel.checksum === 'none' ? '' : ` ${tunnel.checksum}`
  return `tunnel ${tunnel.type}${port}${checksum}`
}
