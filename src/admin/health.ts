/** What `/readyz` and the metrics are made from: facts only, no judgement. Times in milliseconds since the epoch. */
export interface HealthFacts {
  /** When the daemon began. */
  readonly startedAt: number
  readonly resyncInterval: number
  /** The sentence of KERNEL_STUCK, once it happened. */
  readonly stuck?: string
  /** Names of services whose members are not known yet. */
  readonly withoutData: readonly string[]
  /** Whether a pass has brought every service that has data into the kernel, or tried to, object by object. */
  readonly firstReconcileDone: boolean
  readonly sinks: readonly SinkFacts[]
  /** Sources that fail and serve their last good answer, or none: `web: file /etc/pointsman/web.yaml`, and why. */
  readonly failingSources: readonly { readonly source: string; readonly message: string }[]
  /** What the guard holds: how many removals by which source of which service. */
  readonly heldRemovals: readonly { readonly service: string; readonly source: string; readonly count: number }[]
  /** Pools with which something is wrong. */
  readonly pools: readonly PoolFacts[]
  /** Why the newest configuration file is not the one that runs. */
  readonly configRejected?: string
  /** Why nobody is answered at the admin address. */
  readonly adminUnserved?: string
  /** Settings that wait for a restart. */
  readonly restartNeeded: readonly string[]
  /** How the operator paused the writing; absent: he did not. */
  readonly paused?: string
}

export const POOL_MODES = ['normal', 'panic', 'sorry', 'nobody'] as const

/** How the pool of a service stands. */
export interface PoolFacts {
  readonly service: string
  /** Who answers: its members, members that are not up, the sorry server, or nobody. */
  readonly mode: (typeof POOL_MODES)[number]
  /** Whether enough of it serves; absent where no quorum is asked for. */
  readonly hasQuorum?: boolean
  /** Backends whose failures are held. */
  readonly heldFailures: number
}

export interface SinkFacts {
  readonly name: string
  /** End of the last pass that was neither rejected as a whole nor refused for every service. */
  readonly lastSuccess?: number
  /** The sentence of the last pass if it was rejected. */
  readonly failure?: string
  readonly failingObjects: readonly { readonly object: string; readonly message: string }[]
}

export type HealthStatus = 'ready' | 'degraded' | 'not-ready'

export interface HealthReason {
  /** Stable word for alerts: `stuck`, `starting`, `sink-stale`, `object-failing`, `source-failing`, … */
  readonly reason: HealthReasonName
  readonly message: string
}

/** Every reason there is; the degraded metric has one series for each. */
export const HEALTH_REASONS = [
  'stuck',
  'starting',
  'sink-stale',
  'sink-failing',
  'object-failing',
  'no-data',
  'source-failing',
  'removals-held',
  'failures-held',
  'panic',
  'sorry-server',
  'nobody-serves',
  'quorum-lost',
  'config-rejected',
  'admin-unserved',
  'restart-needed',
  'paused',
] as const

export type HealthReasonName = (typeof HEALTH_REASONS)[number]

export interface Health {
  readonly status: HealthStatus
  readonly reasons: readonly HealthReason[]
}

/** Intervals without one good pass after which the table can no longer be vouched for. */
const STALE_AFTER_INTERVALS = 3

/** How many objects one answer names; the rest is a number. */
const NAMED = 5

/**
 * Not ready: stuck, first reconcile not done, or a sink without success for three resync intervals; where nothing is written by the operator's word,
 * no pass is missed. Whatever else is wrong leaves the traffic served, so it is `degraded`, which is ready with a warning.
 */
export function judgeHealth(facts: HealthFacts, now: number): Health {
  const grave = graveReasons(facts, now)
  const reasons = [...grave, ...mildReasons(facts)]
  if (grave.length > 0) return { status: 'not-ready', reasons }
  return { status: reasons.length > 0 ? 'degraded' : 'ready', reasons }
}

function graveReasons(facts: HealthFacts, now: number): HealthReason[] {
  const reasons: HealthReason[] = []
  if (facts.stuck !== undefined) reasons.push({ reason: 'stuck', message: facts.stuck })
  if (facts.paused !== undefined) return reasons
  if (!facts.firstReconcileDone) {
    reasons.push({ reason: 'starting', message: 'The first reconcile of the services that have data is not done yet.' })
  }
  const limit = STALE_AFTER_INTERVALS * facts.resyncInterval
  for (const sink of facts.sinks) {
    const silent = now - (sink.lastSuccess ?? facts.startedAt)
    if (silent <= limit) continue
    const message = `The ${sink.name} sink has had no good pass for ${Math.round(silent / 1000)} s${because(sink.failure)}.`
    reasons.push({ reason: 'sink-stale', message })
  }
  return reasons
}

function mildReasons(facts: HealthFacts): HealthReason[] {
  const reasons: HealthReason[] = []
  for (const sink of facts.sinks) {
    if (sink.failure !== undefined) reasons.push({ reason: 'sink-failing', message: sink.failure })
    for (const { message } of sink.failingObjects.slice(0, NAMED)) reasons.push({ reason: 'object-failing', message })
    const more = sink.failingObjects.length - NAMED
    if (more > 0) reasons.push({ reason: 'object-failing', message: `${more} more objects fail in the ${sink.name} sink.` })
  }
  for (const name of facts.withoutData) {
    reasons.push({ reason: 'no-data', message: `The members of service ${name} are not known yet.` })
  }
  for (const { source, message } of facts.failingSources) {
    reasons.push({ reason: 'source-failing', message: `${source}: ${message}` })
  }
  for (const { service, source, count } of facts.heldRemovals) {
    const message = `Removals held for ${service}, by ${source}: ${count}; pointsman approve ${service} lets them go.`
    reasons.push({ reason: 'removals-held', message })
  }
  reasons.push(...facts.pools.flatMap(poolReasons))
  if (facts.configRejected !== undefined) reasons.push({ reason: 'config-rejected', message: facts.configRejected })
  if (facts.adminUnserved !== undefined) reasons.push({ reason: 'admin-unserved', message: facts.adminUnserved })
  if (facts.paused !== undefined) {
    const message = `Nothing is written to the kernel (${facts.paused}); pointsman resume ends that.`
    reasons.push({ reason: 'paused', message })
  }
  for (const setting of facts.restartNeeded) {
    reasons.push({ reason: 'restart-needed', message: `A change of ${setting} takes effect at the next restart.` })
  }
  return reasons
}

const MODES = {
  panic: { reason: 'panic', why: (name: string) => `Too few backends of ${name} are up: members serve as they did before.` },
  sorry: { reason: 'sorry-server', why: (name: string) => `No backend of ${name} serves: its sorry server answers.` },
  nobody: { reason: 'nobody-serves', why: (name: string) => `No backend of ${name} serves.` },
} as const

function poolReasons({ service, mode, hasQuorum, heldFailures }: PoolFacts): HealthReason[] {
  const reasons: HealthReason[] = []
  if (mode !== 'normal') reasons.push({ reason: MODES[mode].reason, message: MODES[mode].why(service) })
  if (hasQuorum === false) reasons.push({ reason: 'quorum-lost', message: `Service ${service} has lost its quorum.` })
  if (heldFailures > 0) {
    const message = `Backends of ${service} that are held in service although they fail or ask to be let go: ${heldFailures}; pointsman approve ${service} believes them.`
    reasons.push({ reason: 'failures-held', message })
  }
  return reasons
}

function because(failure: string | undefined): string {
  return failure === undefined ? '' : ` (${failure.replace(/\.$/, '')})`
}
