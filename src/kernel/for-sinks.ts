/** The door through which sinks see the kernel: types alone, so that a sink cannot tell a real kernel from a scripted one. */
export type { ConntrackKernel, ConntrackUsage, OriginalDestination, ReplySource } from './conntrack-kernel.ts'
export type { FirewallKernel } from './firewall-kernel.ts'
export type { IptablesKernel } from './iptables-kernel.ts'
export type { CommandFailure, IpvsCommand, IpvsInfo, IpvsKernel, ReadOptions, WriteReport } from './ipvs-kernel.ts'
export type { NftablesKernel, NftChange, NftCommand, NftObject } from './nftables-kernel.ts'
export type { AddressOnLink, InterfaceAddress, NetworkLink, NewAddress, RouteEvent, RouteKernel } from './route-kernel.ts'
