import type { IpAddress, Port } from './address.ts'

/** A single address is a range of one. Both of one family. */
export interface AddressRange {
  readonly first: IpAddress
  readonly last: IpAddress
}

/** Which source address backends see: that of the interface a packet leaves by, or one of a range. */
export type SourceNat = 'masquerade' | AddressRange

/** Ports that translated connections come from, both included. */
export interface PortRange {
  readonly first: Port
  readonly last: Port
}
