import type { Port } from '../../model/address.ts'
import type { DesiredState } from '../../model/desired-state.ts'
import type { PortRange } from '../../model/source-nat.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'

/** The kernel's own choice for outgoing connections (net.ipv4.ip_local_port_range), above what is usually listened on. */
export const DEFAULT_PORTS: PortRange = { first: 32_768, last: 60_999 }

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

/** The ports of all virtual services, with source NAT or not, and the reserved ones. */
export function* takenPorts(desired: DesiredState, reserved: readonly Port[]): Iterable<Port> {
  yield* reserved
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
