import type { Control, PauseAnswer, ResumeAnswer } from '../admin/control.ts'
import type { OperatorAnswer, OperatorRequest, PauseRequest } from '../admin/operator-request.ts'
import type { StatusAnswer, Turn, WhyAnswer } from '../admin/standing.ts'
import { PointsmanError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { IpvsTable } from '../model/ipvs-table.ts'
import { type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import { wallTime } from '../steady-scheduler.ts'
import type { Held } from './approval.ts'
import { assertOthersServe } from './last-serving.ts'
import type { Operator } from './operator.ts'
import { backendNamed, type Known, serviceNamed } from './operator-targets.ts'
import { leavesService, saidOf, targetsOf, verbOf } from './operator-verbs.ts'
import { outageStanding } from './outages.ts'
import { asPointsmanError } from './passes.ts'
import type { Pausing } from './pausing.ts'
import type { RecentChanges } from './recent-changes.ts'
import type { Running } from './running.ts'
import { absentWords, type Moment, NOTHING_YET, pauseStanding, serviceStanding, unwantedStanding } from './standing.ts'

export interface OperatorControlParts {
  readonly running: Pick<Running, 'adopt' | 'approve' | 'betweenPasses' | 'dropAdoptions' | 'services' | 'update'>
  readonly operator: Operator
  readonly pausing: Pausing
  readonly sources: () => Moment['sources']
  /** What the last pass could not do. */
  readonly failing: () => Moment['failing']
  /** Why nobody is answered at the admin address. */
  readonly adminError: () => string | undefined
  /** Reads the kernel. */
  readonly readTable: () => Promise<IpvsTable>
  /** What of a service is in the kernel and ours by the record. */
  readonly owned: (service: ServiceKey) => ReadonlySet<DestinationKey>
  /** The last change of a destination in the kernel. */
  readonly lastTurn: (service: ServiceKey, backend: DestinationKey) => Turn | undefined
  /** While probes found it down. */
  readonly outages: RecentChanges['outages']
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly logger: Pick<Logger, 'warn'>
}

/** What the operator may ask of a running daemon over its socket. */
export class OperatorControl implements Control {
  readonly #parts: OperatorControlParts

  constructor(parts: OperatorControlParts) {
    this.#parts = parts
  }

  approve(service: string): Held {
    return this.#parts.running.approve(service)
  }

  async adopt(name: string): Promise<readonly DestinationKey[]> {
    const { running, owned, pausing } = this.#parts
    const { key } = serviceNamed(name, this.#known())
    const desired = running.update?.desired.services.get(key)
    assertNotPaused(pausing)
    if (desired?.complete !== true)
      throw new PointsmanError(
        'BAD_INPUT',
        `Not every source of ${name} has answered, so that nobody knows which of its backends are foreign: look at \`pointsman status ${name}\` and try again then.`,
      )
    const inKernel = (await this.#parts.readTable()).get(key)
    // It may have been paused meanwhile, and took orders from before as dropped.
    assertNotPaused(pausing)
    const ours = owned(key)
    const foreign = [...(inKernel?.destinations.keys() ?? [])].filter((at) => !ours.has(at) && !desired.destinations.has(at))
    if (foreign.length > 0) running.adopt(key, foreign)
    return foreign
  }

  async pause({ reason, for: duration }: PauseRequest): Promise<PauseAnswer> {
    const { pausing, now, running, logger } = this.#parts
    const { pause, kept } = await pausing.begin({
      ...(reason !== undefined && { reason }),
      ...(duration !== undefined && { until: now() + duration }),
    })
    // Whoever paused works on the table as soon as he is told so.
    const settled = await running.betweenPasses()
    // Whoever adds backends by hand meanwhile does not expect to lose them to an order from before.
    const dropped = running.dropAdoptions().map(namesOf(this.#known()))
    if (dropped.length > 0)
      logger.warn(
        `nothing foreign in ${dropped.join(', ')} is taken over any more: the pause came first; run "pointsman adopt" again after it`,
      )
    return { paused: pauseStanding(pause), kept, settled }
  }

  async resume(): Promise<ResumeAnswer> {
    const ended = await this.#parts.pausing.end()
    return ended === undefined ? {} : { ended: pauseStanding(ended) }
  }

  async say(request: OperatorRequest): Promise<OperatorAnswer> {
    const { operator, now } = this.#parts
    const known = this.#known()
    const about = targetsOf(request, known)
    if (leavesService(request) && !('force' in request && request.force === true)) assertOthersServe(about, known)
    const { changed, kept } = await operator.say(about, (one) => verbOf(request, one, known, now()))
    const news = new Set(changed.map(({ service, backend }) => `${service} ${backend}`))
    const nameOf = namesOf(known)
    return {
      changed: changed.map(({ service, backend, after }) => saidOf(nameOf(service), backend, after)),
      unchanged: about
        .filter(({ service, backend }) => !news.has(`${service} ${backend}`))
        .map(({ service, backend }) => ({ service: nameOf(service), backend })),
      kept,
    }
  }

  async status(service: string | undefined): Promise<StatusAnswer> {
    const known = this.#known()
    const named = service === undefined ? undefined : serviceNamed(service, known)
    const { moment, failure } = await this.#moment()
    const adminError = this.#parts.adminError()
    const keys = named === undefined ? [...moment.update.desired.services.keys()] : [named.key]
    return {
      at: wallTime(this.#parts.now()),
      ...this.#paused(),
      ...(failure !== undefined && { kernel_error: failure }),
      ...(adminError !== undefined && { admin_error: adminError }),
      services: keys.map((key) => serviceStanding(key, moment)).filter((standing) => standing !== undefined),
      absent_words: absentWords(moment).filter((word) => named === undefined || word.service === named.key),
    }
  }

  async why(service: string, backend: string): Promise<WhyAnswer> {
    const known = this.#known()
    const named = serviceNamed(service, known)
    const key = backendNamed(backend, named, known)
    const { moment, failure } = await this.#moment()
    const standing = serviceStanding(named.key, moment)
    const ofBackend = standing?.backends.find((each) => each.backend === key)
    const changed = this.#parts.lastTurn(named.key, key)
    return {
      at: wallTime(this.#parts.now()),
      service: named.name,
      key: named.key,
      complete: standing?.complete ?? false,
      ...this.#paused(),
      ...(ofBackend ?? unwantedStanding(named.key, key, moment)),
      ...outageStanding(this.#parts.outages(named.key, key), ofBackend?.operational.state === 'down'),
      ...(failure !== undefined && { kernel_error: failure }),
      sources: standing?.sources ?? [],
      ...(changed !== undefined && { changed }),
    }
  }

  #paused(): Pick<StatusAnswer, 'paused'> {
    const { pause } = this.#parts.pausing
    return pause === undefined ? {} : { paused: pauseStanding(pause) }
  }

  #known(): Known {
    const { running, operator } = this.#parts
    return { services: running.services, update: running.update, words: operator.words }
  }

  /** What is known now, and why the kernel could not be asked. */
  async #moment(): Promise<{ readonly moment: Moment; readonly failure?: string }> {
    let table: IpvsTable | undefined
    let failure: string | undefined
    try {
      table = await this.#parts.readTable()
    } catch (error) {
      failure = asPointsmanError(error).message
    }
    const { running, operator, sources, failing } = this.#parts
    const update = running.update ?? NOTHING_YET
    const moment = { update, words: operator.words, sources: sources(), table, failing: failing() }
    return { moment, ...(failure !== undefined && { failure }) }
  }
}

function assertNotPaused({ pause }: Pick<Pausing, 'pause'>): void {
  if (pause === undefined) return
  throw new PointsmanError('BAD_INPUT', 'The daemon is paused, so that nothing can be taken over: run `pointsman resume` first.')
}

/** What people call a service; one that is not wanted now by its key. */
export function namesOf({ services }: Pick<Known, 'services'>): (key: ServiceKey) => string {
  const names = new Map(services.map(({ identity, name }) => [serviceKey(identity), name]))
  return (key) => names.get(key) ?? key
}
