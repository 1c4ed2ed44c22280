import { type AddressFamily, familyOf, formatEndpoint, type IpAddress, type Port } from './address.ts'
import type { Brand } from './brand.ts'

/** Transport protocols that IPVS schedules. */
export type Protocol = 'tcp' | 'udp' | 'sctp'

/** What clients connect to: an address with a port, or every packet that carries a firewall mark. */
export type ServiceIdentity =
  | { readonly kind: 'address'; readonly protocol: Protocol; readonly address: IpAddress; readonly port: Port }
  | { readonly kind: 'fwmark'; readonly fwmark: number; readonly family: AddressFamily }

/** One text per identity: `tcp/10.0.0.1:80`, `udp/[2001:db8::1]:53`, `fwmark/7/ipv4`. The name of a service is never part of it. */
export type ServiceKey = Brand<string, 'ServiceKey'>

/** The schedulers of Linux (net/netfilter/ipvs/Kconfig); the kernel may hold others that a module brings. */
export const SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'fo', 'ovf', 'lblc', 'lblcr', 'dh', 'sh', 'mh', 'sed', 'nq', 'twos'] as const

/** Name of a scheduler as ipvsadm takes it. */
export type Scheduler = (typeof SCHEDULERS)[number]

/** The three scheduler flags by their bits (`linux/ip_vs.h`: IP_VS_SVC_F_SCHED1..3); sh and mh give names to the first two. */
export interface SchedulerFlags {
  /** Bit 0x08; `sh-fallback` for sh, `mh-fallback` for mh. */
  readonly flag1: boolean
  /** Bit 0x10; `sh-port` for sh, `mh-port` for mh. */
  readonly flag2: boolean
  /** Bit 0x20. */
  readonly flag3: boolean
}

/**
 * How long and how widely a client stays with its backend. Ranges as the kernel takes them: timeout 1–4294967 seconds,
 * mask an IPv4 netmask as an unsigned 32-bit number (host order, 0xffffffff is one client) or an IPv6 prefix length 1–128.
 */
export interface Persistence {
  readonly timeout: number
  readonly mask: number
  /** Persistence engine by name, in Linux only `sip` (module ip_vs_pe_sip). */
  readonly engine?: string
}

/** A virtual service as the kernel holds it. Counters never appear here: what is compared carries no measurement. */
export interface VirtualService {
  readonly identity: ServiceIdentity
  /** Scheduler by name; any text when read from the kernel. */
  readonly scheduler: string
  readonly flags: SchedulerFlags
  /** One-packet scheduling (UDP and fwmark): every datagram is a connection of its own. */
  readonly onePacket: boolean
  readonly persistence?: Persistence
}

/** The family of a service's addresses. */
export function serviceFamily(identity: ServiceIdentity): AddressFamily {
  return identity.kind === 'fwmark' ? identity.family : familyOf(identity.address)
}

/** The key of an identity; equal services have equal keys. */
export function serviceKey(identity: ServiceIdentity): ServiceKey {
  if (identity.kind === 'fwmark') return `fwmark/${identity.fwmark}/${identity.family}` as ServiceKey
  return `${identity.protocol}/${formatEndpoint(identity.address, identity.port)}` as ServiceKey
}

/** The mask that stands for a single client: 255.255.255.255 or /128. */
export function singleClientMask(family: AddressFamily): number {
  return family === 'ipv4' ? 0xffffffff : 128
}
