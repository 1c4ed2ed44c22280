/** What the operator said of a backend. Times are ISO 8601 in all of these. */
export interface AdminStanding {
  readonly state: 'ready' | 'drain' | 'maintenance'
  readonly reason?: string
  /** Absent where he said nothing. */
  readonly since?: string
  /** Absent: until it is taken back. */
  readonly until?: string
  readonly weight?: {
    readonly weight: number
    readonly reason?: string
    readonly since: string
    readonly until?: string
    /** The weight is reached in steps. */
    readonly ramp?: { readonly from: number; readonly steps: number; readonly ends: string }
  }
}

/**
 * What the sources say of a backend. `listed`: that it exists and nothing of its health. `held`: they name it no longer, and the
 * guard keeps it. `absent`: nobody names it, and it is in the kernel all the same.
 */
export interface DiscoveredStanding {
  readonly state: 'passing' | 'warning' | 'critical' | 'maintenance' | 'listed' | 'held' | 'absent'
  /** Who lists it: `static`, `consul web`. */
  readonly by?: string
  /** When that was answered last. */
  readonly answered?: string
  /** Of `held`. */
  readonly since?: string
  readonly rule?: string
}

/** What probes say of a backend. */
export interface OperationalStanding {
  readonly state: 'unknown' | 'up' | 'down' | 'unprobed'
  readonly since?: string
  readonly message?: string
}

/** A destination as the kernel holds it. */
export interface KernelStanding {
  readonly weight: number
  readonly active: number
  readonly inactive: number
  readonly persistent: number
}

/** One backend of one service: the three states apart, and what is made of them. */
export interface BackendStanding {
  readonly backend: string
  readonly admin: AdminStanding
  readonly discovered: DiscoveredStanding
  readonly operational: OperationalStanding
  /** What it should have in the kernel; null: it should not be there. */
  readonly weight: number | null
  /** Why, the last word first. */
  readonly reasons: readonly string[]
  /** Null: it is not there. Absent: the kernel could not be asked. */
  readonly kernel?: KernelStanding | null
}

export interface SourceStanding {
  readonly source: string
  readonly state: 'pending' | 'up' | 'stale'
  readonly since: string
  readonly answered?: string
  readonly records: number
  readonly held_removals: number
  /** Its answers may lack members: they are added, and none is removed. */
  readonly partial?: true
  readonly failure?: string
}

/** How a pool as a whole stands. */
export interface PoolStanding {
  /** Who answers: its members, members that are not up, the sorry server, or nobody. */
  readonly mode: 'normal' | 'panic' | 'sorry' | 'nobody'
  readonly panic_since?: string
  /** Absent where none is asked for. */
  readonly quorum?: {
    readonly has: boolean
    readonly since: string
    readonly measure: number
    readonly min: number
    readonly by: 'count' | 'weight' | 'percent'
  }
  /** Whether the address of the service is to be there; absent where that does not hang on the quorum, or is not decided yet. */
  readonly announced?: boolean
  /** Backends that fail together with too many others, and serve all the same. */
  readonly held_failures: readonly string[]
}

export interface ServiceStanding {
  readonly service: string
  readonly key: string
  readonly scheduler: string
  /** Whether every source has answered; until then nothing is removed. */
  readonly complete: boolean
  readonly pool: PoolStanding
  /** What the last pass could not do for it; absent: nothing. */
  readonly failures?: readonly string[]
  readonly sources: readonly SourceStanding[]
  readonly backends: readonly BackendStanding[]
}

/** The operator's word that nothing is written. */
export interface PauseStanding {
  readonly since: string
  /** Absent: until `resume`. */
  readonly until?: string
  readonly reason?: string
}

/** A word about a backend that nobody names now. */
export interface AbsentWord {
  readonly service: string
  readonly backend: string
  readonly admin: AdminStanding
}

/** Answer to `GET /status`. */
export interface StatusAnswer {
  readonly at: string
  /** Absent while the daemon writes. */
  readonly paused?: PauseStanding
  /** Why the kernel could not be asked. */
  readonly kernel_error?: string
  /** Why nobody is answered at the admin address. */
  readonly admin_error?: string
  readonly services: readonly ServiceStanding[]
  readonly absent_words: readonly AbsentWord[]
}

/** Something that became of a backend, in the order of time. */
export interface Turn {
  readonly at: string
  readonly from: string
  readonly to: string
  readonly cause: string
}

/** Since the process began. */
export interface OutageStanding {
  readonly times_down: number
  readonly downtime: {
    /** Of the outages that have ended. */
    readonly seconds: number
    /** When the one that goes on began. */
    readonly since?: string
  }
}

/** Answer to `GET /why`. */
export interface WhyAnswer extends BackendStanding, OutageStanding {
  readonly at: string
  readonly service: string
  readonly key: string
  readonly complete: boolean
  readonly paused?: PauseStanding
  readonly kernel_error?: string
  /** Those of the service that list the backend, or may. */
  readonly sources: readonly SourceStanding[]
  /** The last change in the kernel that this process made or saw. */
  readonly changed?: Turn
}
