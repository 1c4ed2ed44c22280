import type { Backend } from './backend.ts'
import type { DestinationKey, Forwarding } from './destination.ts'
import type { PolicySpec } from './policy-spec.ts'
import type { CheckSpec } from './probe-spec.ts'
import type { AddressRange } from './source-nat.ts'
import type { SourceSpec } from './source-spec.ts'
import type { Persistence, Scheduler, SchedulerFlags, ServiceIdentity } from './virtual-service.ts'

/** Milliseconds: a removal waits `min` after the last event, nothing waits longer than `max`. */
export interface DebounceSpec {
  readonly min: number
  readonly max: number
}

/** How many members a source may take away at once. */
export interface GuardSpec {
  /** Percent of the highest number of members within `window` that may go, 1–100. */
  readonly maxRemoval: number
  /** Milliseconds. */
  readonly window: number
  /** What an answer that names nobody does; a number is the milliseconds for which answers must have repeated it. */
  readonly onEmpty: 'hold' | 'apply' | number
}

/** How long an answer is held while its source does not answer. Milliseconds. */
export interface HoldSpec {
  /** Absent: for ever; reached, the members drain. */
  readonly maxAge?: number
  /** How old an answer of an earlier process may be to stand in for a source. */
  readonly snapshotMaxAge: number
}

/** The address of a service on the director, and when it is to be there. */
export interface VirtualAddressSpec {
  /** By name. Absent: that of the prefix which has the address in it, else one of our own. */
  readonly interface?: string
  /** `quorum`: only while enough of the pool serves; the policy of the service has a quorum then. */
  readonly announceWhen: 'always' | 'quorum'
  /** Milliseconds for which the quorum must have been lost before the address is taken away. */
  readonly hold: number
}

/** What is told of the traffic of a service. */
export interface TrafficLogSpec {
  /** Milliseconds. */
  readonly interval: number
  /** A line for each backend as well. */
  readonly backends: boolean
  /** Also where nothing came. */
  readonly idle: boolean
}

/** A virtual service as the configuration asks for it, with every default already filled in. */
export interface ServiceSpec {
  readonly name: string
  readonly identity: ServiceIdentity
  readonly scheduler: Scheduler
  /** Absent: not ours, what the kernel holds stays (sh and mh get their fallback flag). */
  readonly flags?: SchedulerFlags
  /** Absent: not ours. */
  readonly onePacket?: boolean
  /** Absent: not ours; `none` takes persistence away. */
  readonly persistence?: Persistence | 'none'
  /** For members that do not say their own. */
  readonly forwarding: Forwarding
  /** For members that do not say their own; 1 by default. */
  readonly weight: number
  /** Absent: not ours. */
  readonly upperThreshold?: number
  readonly lowerThreshold?: number
  readonly sources: readonly SourceSpec[]
  /** Members written in the configuration itself; beside a source they are pinned. */
  readonly backends: ReadonlyMap<DestinationKey, Backend>
  readonly debounce: DebounceSpec
  readonly guard: GuardSpec
  readonly hold: HoldSpec
  /** Milliseconds from weight 0 to deletion at the latest. */
  readonly drainTimeout: number
  /** Which destinations of a service that exists already become ours. */
  readonly adopt: 'named' | 'all'
  /** Backends are to see the director as the source of its connections. */
  readonly fullNat: boolean
  /** As which of its addresses they see it, with `fullNat` alone. Absent: that of the interface by which a packet leaves. */
  readonly snatRange?: AddressRange
  /** Absent: whoever wants the address of the service on this host puts it there. */
  readonly virtualAddress?: VirtualAddressSpec
  /** What is asked of each member again and again; all must pass. Empty: our probes know nothing of the members. */
  readonly checks: readonly CheckSpec[]
  readonly policy: PolicySpec
  /** Absent: its traffic is not told of. */
  readonly trafficLog?: TrafficLogSpec
}
