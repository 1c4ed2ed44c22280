import type { AdminState } from '../model/admin-state.ts'
import type { Backend } from '../model/backend.ts'
import type { Announced, DesiredState } from '../model/desired-state.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { IpvsTimeouts, SyncDaemon } from '../model/ipvs-table.ts'
import type { Operational } from '../model/operational.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { SourceFailure } from '../model/source-event.ts'
import type { SourceSpec } from '../model/source-spec.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { HeldAs } from './deciding/ejection.ts'
import type { Quorum } from './deciding/quorum.ts'
import type { PoolMode } from './deciding/ruling.ts'

/** What the configuration asks for; a whole Configuration is one. Both halves change in the same moment. */
export interface WantedServices {
  /** No two with the same key. */
  readonly services: readonly ServiceSpec[]
  /** Services that may be wanted although they are not among these: what is ours of them is left alone. */
  readonly undecided?: ReadonlySet<ServiceKey>
  readonly ipvs?: { readonly timeouts?: Partial<IpvsTimeouts>; readonly syncDaemons?: readonly SyncDaemon[] }
}

/** What of a member several places may state. */
export const MEMBER_FIELDS = ['weight', 'forwarding', 'thresholds', 'priority', 'state', 'meta'] as const
export type MemberField = (typeof MEMBER_FIELDS)[number]

/** A backend and who says that it exists: `static`, `file /etc/pointsman/web.yaml`. */
export interface Member {
  readonly backend: Backend
  readonly origin: string
  /** Who decided about the fields that `origin` does not state; absent where it decided about all that are stated. */
  readonly fields?: { readonly [Field in MemberField]?: string }
}

/** A member that its source no longer names and that stays all the same. */
export interface HeldRemoval {
  /** Milliseconds since the epoch of the first answer that lacked it and came under this rule. */
  readonly since: number
  /** `empty`: its source named nobody at all, and `on_empty` says what becomes of it. */
  readonly rule: 'removal' | 'empty'
}

/** Why a held removal is held no longer; all but `returned` let the member go. */
export type Release = 'returned' | 'repeated' | 'paid' | 'probe' | 'free'

/** The members of a service whose removal is held and that fail their probes from now on; all others answer or cannot be asked. */
export interface ProbeVerdict {
  readonly service: ServiceKey
  readonly failing: ReadonlySet<DestinationKey>
}

/** All that our probes know of the members of one service; it takes the place of what was told of the service before. */
export interface OperationalNews {
  readonly service: ServiceKey
  readonly found: ReadonlyMap<DestinationKey, Operational>
}

/** How a source of one service stands. `pending`: it has never answered. */
export interface SourceStatus {
  readonly service: ServiceKey
  readonly name: string
  /** Unique among the sources of the service: `static`, `file /etc/pointsman/web.yaml`. */
  readonly source: string
  readonly state: 'pending' | 'up' | 'stale'
  /** Backends in the last good answer. */
  readonly records: number
  /** Backends that it no longer names and that the guard keeps all the same. */
  readonly heldRemovals: number
  /** Answers that told something new since the source was opened. */
  readonly updates: number
  /** Entries of the last answer that could not be used. */
  readonly quarantined: number
  /** The last answer may lack members: none is removed until one does not. */
  readonly partial?: true
  /** Milliseconds since the epoch of the last good answer; absent while there was none. */
  readonly answeredAt?: number
  /** Milliseconds since the epoch at which `state` began. */
  readonly since: number
  /** The source was away for `max_age`, and its backends were let go. */
  readonly expired?: true
  /** The last failure while the state is pending or stale. */
  readonly failure?: SourceFailure
}

/** A source's status changed, or the source is no longer part of the configuration. */
export type SourceChange =
  | { readonly kind: 'status'; readonly status: SourceStatus; readonly before?: SourceStatus }
  | { readonly kind: 'gone'; readonly status: SourceStatus }

/** Where a service of the desired state comes from. */
export interface ServiceProvenance {
  readonly spec: ServiceSpec
  readonly sources: readonly SourceStatus[]
  /** Everything that is known, before weights are decided. */
  readonly members: ReadonlyMap<DestinationKey, Member>
  /** Members that their sources no longer name and that the guard keeps. */
  readonly held: ReadonlyMap<DestinationKey, HeldRemoval>
  /** Members that are known and are kept out of the kernel, with the reasons. */
  readonly leftOut: ReadonlyMap<DestinationKey, readonly string[]>
  /** Members whose removal or change waits in the debounce step. */
  readonly waiting: number
  /** What our probes know of the members. */
  readonly operational: ReadonlyMap<DestinationKey, Operational>
  /** What the operator said of them; what of it has run out is still here. */
  readonly admin: ReadonlyMap<DestinationKey, AdminState>
  readonly pool: PoolStatus
}

/** How a pool as a whole stands. */
export interface PoolStatus {
  readonly mode: PoolMode
  /** Milliseconds since the epoch; absent: it is not in panic. */
  readonly panicSince?: number
  /** Absent where none is asked for. */
  readonly quorum?: Quorum
  /** Whether the address of the service is to be there; absent: it does not hang on the quorum. */
  readonly announced?: Announced
  /** Members that fail above connect, or ask to be let go, and serve all the same; and why. */
  readonly heldFailures: ReadonlyMap<DestinationKey, HeldAs>
}

/** What the guard of a service holds became different. */
export interface GuardChange {
  readonly service: ServiceKey
  readonly spec: ServiceSpec
  /** Everything that is held from now on. */
  readonly held: ReadonlyMap<DestinationKey, HeldRemoval>
  /** What of it was not held before. */
  readonly began: readonly DestinationKey[]
  readonly released: ReadonlyMap<DestinationKey, Release>
}

/** The last good answer of one source, and what was held for it: enough for a new process to begin where one ended. */
export interface LastGood {
  readonly members: ReadonlyMap<DestinationKey, { readonly backend: Backend }>
  readonly held: ReadonlyMap<DestinationKey, HeldRemoval & { readonly backend: Backend }>
  /** Milliseconds since the epoch when the answer was had. */
  readonly at: number
  /** So old that its members serve only once they pass their probes. */
  readonly outdated?: true
}

/** What is known of a source became different, or the source is no longer part of its service. */
export type LastGoodChange = { readonly service: ServiceKey; readonly source: SourceSpec } & (
  | { readonly kind: 'known'; readonly lastGood: LastGood }
  | { readonly kind: 'gone' }
)

/** What may be known of sources before they speak. */
export interface Past {
  /** From an earlier process; undefined where there is none that may be used. */
  lastGood(service: ServiceSpec, source: SourceSpec): LastGood | undefined
  /** Milliseconds that a source has for its first word before its last good answer stands in for it. */
  readonly patience: number
}

/** A new desired state. Objects of services that did not change are the same as in the update before. */
export interface DesiredUpdate {
  readonly desired: DesiredState
  readonly provenance: ReadonlyMap<ServiceKey, ServiceProvenance>
  /** Milliseconds since the epoch of the oldest event that this update is the first to hold. */
  readonly eventAt: number
}
