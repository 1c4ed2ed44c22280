import { collectDefaultMetrics, Registry } from 'prom-client'
import { DurationTallies } from './duration-tallies.ts'
import { HEALTH_REASONS, type Health, POOL_MODES, type PoolFacts } from './health.ts'
import { type Instruments, instruments, onCollect } from './instruments.ts'
import {
  type AddressFacts,
  type AskedEachTime,
  type BuildInfo,
  CLAIM_STATES,
  type ClaimFacts,
  type Clocks,
  type PassOutcome,
  type SourceFacts,
} from './metric-facts.ts'
import { RefusedServices } from './refused-services.ts'

/**
 * Everything that is exported except the series of services and backends. Each method is told one thing that happened.
 */
export class Metrics {
  readonly #registry = new Registry()
  readonly #made: Instruments
  readonly #refused: RefusedServices
  /** How many probes have ended, by type and result. */
  readonly #probed = new Map<string, Map<string, number>>()
  readonly #sources = new Map<string, KnownSource>()
  readonly #clocks: Clocks
  #addresses: AddressFacts | undefined

  constructor(build: BuildInfo, health: () => Health, clocks: Clocks) {
    this.#clocks = clocks
    this.#made = instruments(this.#registry)
    this.#refused = new RefusedServices(this.#made.catalogRefused)
    collectDefaultMetrics({ register: this.#registry })
    this.#made.buildInfo.set({ version: build.version, commit: build.commit ?? '', node: build.node }, 1)
    this.#made.expireNodestConn.remove()
    this.#made.configTime.remove()
    this.conntrack(undefined)
    this.#made.configLoaded.inc({ result: 'rejected' }, 0)
    onCollect(this.#made.ready, (gauge) => gauge.set(health().status === 'not-ready' ? 0 : 1))
    onCollect(this.#made.degraded, (gauge) => {
      const wrong = new Set(health().reasons.map(({ reason }) => reason))
      for (const reason of HEALTH_REASONS) gauge.set({ reason }, wrong.has(reason) ? 1 : 0)
    })
    onCollect(this.#made.probes, (counter) => {
      counter.reset()
      for (const [type, results] of this.#probed) for (const [result, count] of results) counter.inc({ type, result }, count)
    })
    onCollect(this.#made.sourceAge, (gauge) => {
      gauge.reset()
      for (const { labels, at } of this.#sources.values()) if (at !== undefined) gauge.set(labels, (clocks.steady() - at) / 1000)
    })
  }

  /** So many follow the status page from now on. */
  statusClients(count: number): void {
    this.#made.statusClients.set(count)
  }

  /** From now on these are asked for each answer. */
  askEachTime({ eventLoop, overdueDrains }: AskedEachTime): void {
    onCollect(this.#made.eventLoopDelay, (gauge) => {
      const late = eventLoop()
      if (late === undefined) return
      gauge.set({ stat: 'p50' }, late.median)
      gauge.set({ stat: 'p99' }, late.p99)
      gauge.set({ stat: 'max' }, late.most)
    })
    onCollect(this.#made.overdueDrains, (gauge) => {
      for (const [sink, count] of Object.entries(overdueDrains())) gauge.set({ sink }, count)
    })
  }

  /** Undefined: it is not known now; the series goes. */
  stateHash(state: 'desired' | 'actual', value: number | undefined): void {
    if (value === undefined) this.#made.stateHash.remove({ state })
    else this.#made.stateHash.set({ state }, value)
  }

  /** All of it as text. A metric that cannot be made is left out and counted; the others are there. */
  async text(): Promise<string> {
    let text = ''
    for (const { name } of this.#registry.getMetricsAsArray()) {
      try {
        text += `${await this.#registry.getSingleMetricAsString(name)}\n`
      } catch {
        this.#made.scrapeErrors.inc({ metric: name })
      }
    }
    for (const made of Object.values(this.#made)) if (made instanceof DurationTallies) text += made.text()
    return text
  }

  /** Counts a part of an answer that had to be left out. */
  scrapeFailed(metric: string): void {
    this.#made.scrapeErrors.inc({ metric })
  }

  passBegan(sink: string, scope: string): void {
    this.#made.passes.inc({ sink, scope })
    this.#made.lastAttempt.set({ sink }, this.#clocks.wall() / 1000)
  }

  passEnded(sink: string, scope: string, outcome: PassOutcome, good: boolean, seconds: number): void {
    const made = this.#made
    made.passDuration.observe({ sink, scope }, seconds)
    for (const [kind, count] of Object.entries(outcome.applied)) if (count > 0) made.changes.inc({ sink, kind }, count)
    for (const { code } of outcome.failed) made.objectFailures.inc({ sink, code })
    made.driftRepaired.inc({ sink }, outcome.driftRepaired)
    made.failingObjects.set({ sink }, outcome.failed.length)
    made.foreign.set({ sink }, outcome.foreign)
    made.draining.set({ sink }, outcome.draining)
    if (good) made.lastSuccess.set({ sink }, this.#clocks.wall() / 1000)
  }

  /** `failing`: how many objects wait for it. */
  passRejected(sink: string, scope: string, code: string, seconds: number, failing: number): void {
    this.#made.passDuration.observe({ sink, scope }, seconds)
    this.#made.passFailures.inc({ sink, code })
    this.#made.failingObjects.set({ sink }, failing)
  }

  /** A pool stands otherwise than before; its series go with its service. */
  poolChanged(before: PoolFacts | undefined, after: PoolFacts | undefined): void {
    const { poolMode, poolQuorum, poolHeldFailures } = this.#made
    if (before !== undefined && (before.service !== after?.service || after.hasQuorum === undefined)) {
      const { service } = before
      poolQuorum.remove({ service })
      poolHeldFailures.remove({ service })
      for (const mode of POOL_MODES) poolMode.remove({ service, mode })
    }
    if (after === undefined) return
    const { service, hasQuorum, heldFailures } = after
    for (const mode of POOL_MODES) poolMode.set({ service, mode }, mode === after.mode ? 1 : 0)
    if (hasQuorum !== undefined) poolQuorum.set({ service }, hasQuorum ? 1 : 0)
    poolHeldFailures.set({ service }, heldFailures)
  }

  /** How many backends the operator has spoken of. */
  operatorWords(counts: { readonly drain: number; readonly maintenance: number; readonly weight: number }): void {
    for (const [word, count] of Object.entries(counts)) this.#made.operatorWords.set({ word }, count)
  }

  /** Whether nothing is written by the operator's word. */
  paused(paused: boolean): void {
    this.#made.paused.set(paused ? 1 : 0)
  }

  /** A drain ended by itself. */
  drainEnded(sink: string, how: 'idle' | 'deadline', connections: number): void {
    this.#made.drains.inc({ sink, how })
    this.#made.drainCut.inc({ sink }, connections)
  }

  /** A run of a hook ended, or could not begin. */
  hookRan(hook: string, result: string): void {
    this.#made.hookRuns.inc({ hook, result })
  }

  /** Events that the journal lacks. */
  journalLost(count: number): void {
    this.#made.journalLost.inc(count)
  }

  /** What a pass would change now, by kind of change; for a shadow, which changes nothing. */
  shadowPlan(counts: Readonly<Record<string, number>>): void {
    for (const [kind, count] of Object.entries(counts)) this.#made.shadowChanges.set({ kind }, count)
  }

  kernelStuck(): void {
    this.#made.kernelStuck.set(1)
  }

  /** Seconds from the event to the kernel that has it. */
  programmed(seconds: number): void {
    this.#made.programming.observe(seconds)
  }

  /** Undefined where the sysctl cannot be read: the series goes. */
  expireNodestConn(value: number | undefined): void {
    if (value === undefined) this.#made.expireNodestConn.remove()
    else this.#made.expireNodestConn.set(value)
  }

  /** Undefined where connections are not tracked: the series go. */
  conntrack(usage: { readonly count: number; readonly max: number } | undefined): void {
    if (usage === undefined) {
      this.#made.conntrackEntries.remove()
      this.#made.conntrackLimit.remove()
      return
    }
    this.#made.conntrackEntries.set(usage.count)
    this.#made.conntrackLimit.set(usage.max)
  }

  /** Totals since the process began, but for what is held and in conflict now. */
  addresses(facts: AddressFacts): void {
    const { addressesHeld, addressConflicts, addressConflictsSeen, addressRepairs, addressAnnouncements } = this.#made
    const before = this.#addresses
    addressesHeld.set(facts.held)
    addressConflicts.set(facts.conflicts)
    addressConflictsSeen.inc(facts.conflictsSeen - (before?.conflictsSeen ?? 0))
    addressRepairs.inc(facts.repairs - (before?.repairs ?? 0))
    addressAnnouncements.inc(facts.announcements - (before?.announcements ?? 0))
    this.#addresses = facts
  }

  configLoaded(services: number): void {
    this.#made.configLoaded.inc({ result: 'loaded' })
    this.#made.configCurrent.set(1)
    this.#made.configTime.set(this.#clocks.wall() / 1000)
    this.#made.configServices.set(services)
  }

  configRejected(): void {
    this.#made.configLoaded.inc({ result: 'rejected' })
    this.#made.configCurrent.set(0)
  }

  /** So many threads ask backends. */
  probeThreads(ready: number): void {
    this.#made.probeThreads.set(ready)
  }

  probeThreadEnded(): void {
    this.#made.probeThreadEnds.inc()
  }

  /** A probe of a backend has ended that was begun so many seconds after its moment. */
  probeBegan(late: number): void {
    this.#made.probeLateness.observe(late)
  }

  /** A probe of a backend has ended. */
  probed(type: string, result: string, seconds: number): void {
    const results = this.#probed.get(type) ?? new Map<string, number>()
    if (results.size === 0) this.#probed.set(type, results)
    results.set(result, (results.get(result) ?? 0) + 1)
    this.#made.probeDuration.observe(seconds, type)
  }

  /** A registry answers or does not; undefined: it left the configuration. */
  catalogChanged(catalog: string, up: boolean | undefined): void {
    if (up !== undefined) {
      this.#made.catalogUp.set({ catalog }, up ? 1 : 0)
      for (const state of CLAIM_STATES) this.#made.catalogClaims.inc({ catalog, state }, 0)
      return
    }
    this.#made.catalogUp.remove({ catalog })
    for (const state of CLAIM_STATES) this.#made.catalogClaims.remove({ catalog, state })
  }

  /** A service of a registry stands differently than before; undefined: it holds nothing. */
  claimChanged({ catalog, service, before, after, refused }: ClaimFacts): void {
    if (before !== undefined) this.#made.catalogClaims.dec({ catalog, state: before })
    if (after !== undefined) this.#made.catalogClaims.inc({ catalog, state: after })
    this.#refused.changed(catalog, service, refused)
  }

  /** A source's standing changed. `failed`: with it came a failure that was not counted yet. */
  sourceChanged(facts: SourceFacts, failed: string | undefined): void {
    const known = this.#source(facts.name, facts.source)
    known.at = facts.answeredAt
    this.#made.sourceUp.set(known.labels, facts.state === 'up' ? 1 : 0)
    // One that was opened anew is pending and has not ceased to answer.
    this.#made.sourceOutages.inc(known.labels, known.up && facts.state === 'stale' ? 1 : 0)
    known.up = facts.state === 'up' || (known.up && facts.state === 'pending')
    this.#made.sourceRecords.set(known.labels, facts.records)
    this.#made.sourceQuarantined.set(known.labels, facts.quarantined)
    this.#made.sourcePartial.set(known.labels, facts.partial ? 1 : 0)
    this.#made.sourceHeldRemovals.set(known.labels, facts.heldRemovals)
    // A source that was opened anew counts from nothing; the counter goes on.
    const before = facts.updates < known.updates ? 0 : known.updates
    this.#made.sourceUpdates.inc(known.labels, facts.updates - before)
    known.updates = facts.updates
    if (failed === undefined) return
    known.codes.add(failed)
    this.#made.sourceErrors.inc({ ...known.labels, code: failed })
  }

  /** The source left the configuration: its series go with it. */
  sourceGone(service: string, source: string): void {
    const { labels, codes } = this.#source(service, source)
    this.#made.sourceUp.remove(labels)
    this.#made.sourceOutages.remove(labels)
    this.#made.sourceRecords.remove(labels)
    this.#made.sourceQuarantined.remove(labels)
    this.#made.sourcePartial.remove(labels)
    this.#made.sourceHeldRemovals.remove(labels)
    this.#made.sourceUpdates.remove(labels)
    for (const code of codes) this.#made.sourceErrors.remove({ ...labels, code })
    this.#sources.delete(sourceKey(service, source))
  }

  #source(service: string, source: string): KnownSource {
    const key = sourceKey(service, source)
    const known = this.#sources.get(key) ?? {
      labels: { service, source },
      at: undefined,
      up: false,
      updates: 0,
      codes: new Set(),
    }
    this.#sources.set(key, known)
    return known
  }
}

interface KnownSource {
  readonly labels: { readonly service: string; readonly source: string }
  at: number | undefined
  up: boolean
  updates: number
  readonly codes: Set<string>
}

function sourceKey(service: string, source: string): string {
  return `${service}\n${source}`
}
