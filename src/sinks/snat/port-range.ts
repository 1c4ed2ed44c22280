import type { Port } from '../../model/address.ts'
import type { DesiredState } from '../../model/desired-state.ts'
import type { PortRange } from '../../model/source-nat.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'

/** The kernel's own choice for outgoing connections (net.ipv4.ip_local_port_range), above what is usually listened on. */
export const DEFAULT_PORTS: PortRange = { first: 32_768, last: 60_999 }

/** Ports that translated connections keep off. */
export interface TakenPorts {
  readonly virtual: readonly Port[]
  /** What this host listens on, and keeps for that. */
  readonly reserved: readonly Port[]
}

/** With fewer ports than this a busy backend runs out of them. */
const FEWEST_PORTS = 256

/**
 * The ports of a range that translated connections come from: the longest stretch that nobody needs; where there is none, one without ports of virtual
 * services, to which replies would be taken for new connections; else all of it.
 */
export function usablePorts(range: PortRange, { virtual, reserved }: TakenPorts): PortRange {
  const free = freeStretch(range, [...virtual, ...reserved])
  return hasOneOf(free, virtual) || hasOneOf(free, reserved) ? freeStretch(range, virtual) : free
}

/** What is to be said of the ports that are used of a range; undefined: nothing. */
export function complaintOf(range: PortRange, used: PortRange, { virtual, reserved }: TakenPorts): string | undefined {
  const remedy = 'give global.snat.port_range a range that is free'
  if (hasOneOf(used, virtual) || hasOneOf(used, reserved)) {
    return `Source NAT finds no port from ${range.first} to ${range.last} that is not that of a service or a listener, and replies may be taken for connections to those: ${remedy}.`
  }
  const count = countOf(used)
  if (count >= Math.min(FEWEST_PORTS, countOf(range))) return undefined
  return `Source NAT has ${count} ports alone (${used.first}-${used.last}), since services and listeners have those around them, and a busy backend runs out of them: ${remedy}.`
}

function hasOneOf({ first, last }: PortRange, ports: readonly Port[]): boolean {
  return ports.some((port) => port >= first && port <= last)
}

function countOf({ first, last }: PortRange): number {
  return last - first + 1
}

/**
 * The longest stretch of a range without any of the taken ports, the first of equal ones. NAT takes one unbroken range, and a translated
 * connection from the port of a virtual service would have its replies taken for new connections to that service. Where every port is taken the
 * whole range is given back.
 */
export function freeStretch(range: PortRange, taken: Iterable<Port>): PortRange {
  const inside = new Set<Port>()
  for (const port of taken) if (port >= range.first && port <= range.last) inside.add(port)
  if (inside.size === 0) return range
  let best = { first: range.first, last: range.first - 1 }
  let first = range.first
  for (const port of [...[...inside].sort((a, b) => a - b), range.last + 1]) {
    if (port - first > best.last - best.first + 1) best = { first, last: port - 1 }
    first = port + 1
  }
  return best.last < best.first ? range : best
}

/** The ports of all virtual services, with source NAT or not. */
export function virtualPorts(desired: DesiredState): Port[] {
  return [...portsOf(desired)]
}

function* portsOf(desired: DesiredState): Iterable<Port> {
  for (const { identity } of desired.services.values()) if (identity.kind === 'address') yield identity.port
  for (const key of desired.undecided ?? []) {
    const port = portOf(key)
    if (port !== undefined) yield port
  }
}

function portOf(key: ServiceKey): Port | undefined {
  const port = /:(\d+)$/.exec(key)?.[1]
  return port === undefined ? undefined : Number(port)
}

export function samePorts(a: PortRange | undefined, b: PortRange): boolean {
  return a?.first === b.first && a.last === b.last
}
