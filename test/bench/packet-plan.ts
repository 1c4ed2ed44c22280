/** How packets through source NAT are measured, and before which rule sets. */

export interface PacketPlan {
  /** Numbers of services with source NAT, each with a backend of its own; one after the other. */
  readonly services: readonly number[]
  readonly rounds: number
  /** Packets of one connection in a measurement. */
  readonly packets: number
  /** Connections of one packet each. */
  readonly connections: number
  /** Additions of one more service, of which the median counts. */
  readonly additions: number
}

const FULL = { services: [10, 1_000, 10_000], packets: 20_000, connections: 2_000, additions: 5 }
/** Enough to see that everything runs; the values mean nothing. */
const QUICK = { services: [5], packets: 200, connections: 100, additions: 1 }
/** Emptying the tables of connections in between takes its time. */
const MOST_ROUNDS = 3

export function packetPlanFor({ quick, rounds }: { readonly quick: boolean; readonly rounds: number }): PacketPlan {
  return { ...(quick ? QUICK : FULL), rounds: Math.min(rounds, MOST_ROUNDS) }
}

/** The name of a table in the report. */
export function packetTableName(services: number): string {
  return `${services} services`
}

/** Addresses of services and of their backends, by number; both are ranges without a gap. */
export const SERVICE_NETWORK = '10.200.0.0/16'
export const BACKEND_NETWORK = '10.100.0.0/16'

export function serviceAddressOf(number: number): string {
  return `10.200.${number >> 8}.${number & 255}`
}

export function backendAddressOf(number: number): string {
  return `10.100.${number >> 8}.${number & 255}`
}
