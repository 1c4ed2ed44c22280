import type { Health } from '../admin/health.ts'
import { Pace } from '../admin/pace.ts'
import { within } from '../admin/scrape.ts'
import type { BackendStanding, ServiceStanding, Turn } from '../admin/standing.ts'
import type { BackendReport, BackendState, ServiceReport, SinkReport, StatusReport } from '../admin/status-schema.ts'
import { trafficReport } from '../admin/true-counters.ts'
import type { OperatorWords } from '../model/admin-state.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { IpvsTable } from '../model/ipvs-table.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { DesiredUpdate } from '../pipeline/desired-update.ts'
import { wallTime } from '../steady-scheduler.ts'
import { checkReport } from './check-report.ts'
import { outageStanding } from './outages.ts'
import type { LastResults } from './probe-backends.ts'
import type { RecentChanges } from './recent-changes.ts'
import { absentWords, type Moment, NOTHING_YET, pacedStanding, pauseStanding } from './standing.ts'
import { TrafficRates } from './traffic-rates.ts'

/** Milliseconds that a look waits for the kernel. */
const PATIENCE = 3_000

export interface OverviewParts {
  readonly about: Pick<StatusReport, 'instance' | 'version' | 'commit' | 'shadow'>
  /** Milliseconds since the epoch, of the steady clock. */
  readonly startedAt: number
  readonly health: () => Health
  readonly update: () => DesiredUpdate | undefined
  readonly words: () => OperatorWords
  /** Absent: he did not pause the daemon. */
  readonly pause: () => Parameters<typeof pauseStanding>[0] | undefined
  readonly sources: () => Moment['sources']
  readonly failing: () => Moment['failing']
  readonly sinks: () => readonly SinkReport[]
  /** Reads the kernel, counters included. */
  readonly readTable: () => Promise<IpvsTable>
  readonly lastTurn: (service: ServiceKey, backend: DestinationKey) => Turn | undefined
  /** When it came to have a weight in the kernel, if that was seen. */
  readonly servesSince: (service: ServiceKey, backend: DestinationKey) => string | undefined
  readonly lastResults: () => LastResults
  readonly changes: Pick<RecentChanges, 'last' | 'outages'>
  /** Milliseconds since the epoch, of a clock that never jumps. */
  readonly now: () => number
}

/** How everything stands, for the status page. It does nothing unless it is asked, and then in slices. */
export class Overview {
  readonly #parts: OverviewParts
  #rates: TrafficRates | undefined
  #reading: Promise<TimedTable> | undefined

  constructor(parts: OverviewParts) {
    this.#parts = parts
  }

  async collect(): Promise<StatusReport> {
    const { about, startedAt, pause, health, update, words, sources, failing, sinks, changes, now } = this.#parts
    const { reading, failure } = await this.#read()
    const rates = reading && new TrafficRates(this.#rates, reading.at)
    if (rates !== undefined) this.#rates = rates
    const moment: Moment = {
      update: update() ?? NOTHING_YET,
      words: words(),
      sources: sources(),
      table: reading?.table,
      failing: failing(),
    }
    const paused = pause()
    const pace = new Pace()
    const services: ServiceReport[] = []
    for (const key of moment.update.desired.services.keys()) {
      const standing = await pacedStanding(key, moment, pace)
      if (standing !== undefined) services.push(await this.#service(key, standing, { table: reading?.table, rates, pace }))
    }
    const { status, reasons } = health()
    return {
      at: wallTime(now()),
      ...about,
      started: wallTime(startedAt),
      ...(paused !== undefined && { paused: pauseStanding(paused) }),
      health: { status, reasons: [...reasons] },
      ...(failure !== undefined && { kernel_error: failure }),
      sinks: [...sinks()],
      absent_words: absentWords(moment),
      services,
      changes: changes.last,
    }
  }

  /** Nobody looks any more. */
  forget(): void {
    this.#rates = undefined
  }

  /** One that hangs is waited for by the next look as well: readings do not pile up. */
  async #read(): Promise<{ readonly reading?: TimedTable; readonly failure?: string }> {
    this.#reading ??= this.#parts
      .readTable()
      .then((table) => ({ table, at: performance.now() }))
      .finally(() => {
        this.#reading = undefined
      })
    try {
      return { reading: await within(PATIENCE, this.#reading) }
    } catch (error) {
      return { failure: error instanceof Error ? error.message : String(error) }
    }
  }

  async #service(key: ServiceKey, standing: ServiceStanding, seen: Seen): Promise<ServiceReport> {
    const { backends: standings, sources, failures, ...rest } = standing
    const backends: BackendReport[] = []
    for (const backend of standings) {
      backends.push(this.#backend(key, backend, seen))
      if (seen.pace.due()) await seen.pace.rest()
    }
    const pool = { ...rest.pool, held_failures: [...rest.pool.held_failures] }
    return {
      ...rest,
      pool,
      ...(failures !== undefined && { failures: [...failures] }),
      totals: totalsOf(standings, seen.table !== undefined),
      ...outageStanding(this.#parts.changes.outages(key), pool.mode === 'nobody'),
      ...trafficIn(seen, key),
      sources: [...sources],
      backends,
    }
  }

  #backend(service: ServiceKey, standing: BackendStanding, seen: Seen): BackendReport {
    const { lastTurn, servesSince, lastResults, changes } = this.#parts
    const { backend, discovered, reasons, ...rest } = standing
    const { answered: _, ...known } = discovered
    const key = backend as DestinationKey
    const results = lastResults()(service, key)
    const check = checkReport(results)
    const changed = lastTurn(service, key)
    const state = backendState(standing)
    const since = sinceWhen(state, standing, { changed: changed?.at, serves: servesSince(service, key) })
    return {
      backend,
      state,
      ...(since !== undefined && { since }),
      ...rest,
      discovered: known,
      reasons: [...reasons],
      ...trafficIn(seen, service, key),
      ...(check !== undefined && { check }),
      failed_probes: results.reduce((sum, { failures }) => sum + failures, 0),
      ...outageStanding(changes.outages(service, backend), standing.operational.state === 'down'),
      ...(changed !== undefined && { changed }),
    }
  }
}

interface TimedTable {
  readonly table: IpvsTable
  /** Milliseconds of a clock that never jumps. */
  readonly at: number
}

interface Seen {
  readonly table: IpvsTable | undefined
  readonly rates: TrafficRates | undefined
  readonly pace: Pace
}

function trafficIn({ table, rates }: Seen, key: ServiceKey, backend?: DestinationKey): Pick<BackendReport, 'traffic' | 'rates'> {
  const service = table?.get(key)
  const counters = backend === undefined ? service?.counters : service?.destinations.get(backend)?.counters
  if (counters === undefined) return {}
  const known = rates?.of(key, backend, counters)
  return { traffic: trafficReport(counters), ...(known !== undefined && { rates: known }) }
}

/**
 * `known`: the kernel could be asked. What it was not asked is left out, for 0 is another answer; who serves is then who should, and else who
 * does.
 */
export function totalsOf(standings: readonly BackendStanding[], known: boolean): ServiceReport['totals'] {
  const wanted = { backends: standings.length, serving: 0, weight: 0 }
  const held = { kernel_weight: 0, active: 0, inactive: 0, persistent: 0 }
  for (const { weight, kernel } of standings) {
    if (((known ? kernel?.weight : weight) ?? 0) > 0) wanted.serving += 1
    wanted.weight += weight ?? 0
    held.kernel_weight += kernel?.weight ?? 0
    held.active += kernel?.active ?? 0
    held.inactive += kernel?.inactive ?? 0
    held.persistent += kernel?.persistent ?? 0
  }
  return { ...wanted, ...(known && held) }
}

/** The three states in one word, as people of HAProxy look for it. */
export function backendState({ admin, discovered, operational, weight, kernel }: BackendStanding): BackendState {
  if (admin.state === 'maintenance' || discovered.state === 'maintenance') return 'maintenance'
  if (admin.state === 'drain') return 'drain'
  if (discovered.state === 'absent' && kernel !== undefined && kernel !== null) return kernel.weight > 0 ? 'foreign' : 'drain'
  if (operational.state === 'down' || discovered.state === 'critical') return 'down'
  if (operational.state === 'unknown') return 'unknown'
  if (weight === null || weight === 0) return 'standby'
  return operational.state
}

interface Times {
  readonly changed: string | undefined
  readonly serves: string | undefined
}

/**
 * What the registry says bears no time; the change in the kernel that it made does. Probes go on through maintenance and may find it well all
 * the while: it is up since it serves.
 */
export function sinceWhen(
  state: BackendState,
  { admin, operational }: Pick<BackendStanding, 'admin' | 'operational'>,
  { changed, serves }: Times,
): string | undefined {
  if ((state === 'maintenance' || state === 'drain') && admin.state === state) return admin.since
  const found = state === operational.state ? operational.since : undefined
  if (state === 'up' || state === 'unprobed') return later(found, serves) ?? changed
  return found ?? changed
}

/** Of two times in ISO 8601, which sort as texts do. */
function later(a: string | undefined, b: string | undefined): string | undefined {
  return a === undefined || (b !== undefined && b > a) ? b : a
}
