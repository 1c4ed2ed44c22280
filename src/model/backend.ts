import type { IpAddress, Port } from './address.ts'
import { type DestinationKey, type Forwarding, sameForwarding } from './destination.ts'

/** One member of a pool as a source reports it. What the source does not say is absent and inherited from the service. */
export interface Backend {
  readonly address: IpAddress
  readonly port: Port
  /** 0–65535; 0 is a value ("no new connections"), absent means the service's default weight. */
  readonly weight?: number
  readonly forwarding?: Forwarding
  readonly upperThreshold?: number
  readonly lowerThreshold?: number
  /** Lower is preferred (DNS SRV); absent where the source has no such notion. */
  readonly priority?: number
  /**
   * What the registry itself says of the member's health; absent where the source has no such notion, which counts as
   * passing. `warning` serves (its weight says how much), `critical` and `maintenance` do not.
   */
  readonly state?: DiscoveredState
  readonly meta?: Readonly<Record<string, string>>
}

export type DiscoveredState = 'passing' | 'warning' | 'critical' | 'maintenance'

/** Whether the registry says that the member does not serve. */
export function isDown({ state }: Backend): boolean {
  return state === 'critical' || state === 'maintenance'
}

/** A source's whole answer for one service at one moment. */
export interface BackendSet {
  readonly backends: ReadonlyMap<DestinationKey, Backend>
  /** Which source said so: `static`, `file /etc/pointsman/web.yaml`. */
  readonly origin: string
  /** How far the answer may be believed: anything but `fresh` adds and never removes. */
  readonly trust: 'fresh' | 'stale' | 'truncated' | 'leaderless'
  /** Milliseconds since the epoch when the answer was had. */
  readonly at: number
  /** Entries of the answer that could not be used; absent is none. */
  readonly quarantined?: number
}

/** Whether two reports of a member say the same. Absent and present are different, also where the default would be equal. */
export function sameBackend(a: Backend, b: Backend): boolean {
  return (
    a === b ||
    (a.address === b.address &&
      a.port === b.port &&
      a.weight === b.weight &&
      a.upperThreshold === b.upperThreshold &&
      a.lowerThreshold === b.lowerThreshold &&
      a.priority === b.priority &&
      a.state === b.state &&
      sameOptionalForwarding(a.forwarding, b.forwarding) &&
      sameMeta(a.meta, b.meta))
  )
}

/** Whether two sets hold the same members, in whatever order. */
export function sameBackends(a: ReadonlyMap<DestinationKey, Backend>, b: ReadonlyMap<DestinationKey, Backend>): boolean {
  if (a.size !== b.size) return false
  for (const [key, backend] of a) {
    const other = b.get(key)
    if (other === undefined || !sameBackend(backend, other)) return false
  }
  return true
}

function sameOptionalForwarding(a: Forwarding | undefined, b: Forwarding | undefined): boolean {
  return a === undefined || b === undefined ? a === b : sameForwarding(a, b)
}

function sameMeta(a: Backend['meta'] = {}, b: Backend['meta'] = {}): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key])
}
