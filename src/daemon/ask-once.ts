import {
  concat,
  defer,
  EMPTY,
  ignoreElements,
  NEVER,
  type Observable,
  of,
  type SchedulerLike,
  takeUntil,
  takeWhile,
  timer,
} from 'rxjs'
import { afterResult, type CheckStanding, firstStanding, together } from '../health/check-standing.ts'
import { type Check, runChecks } from '../health/checks.ts'
import type { Probe } from '../health/probe.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { Operational } from '../model/operational.ts'
import type { ProbeResult } from '../model/probe-result.ts'
import type { CheckSpec } from '../model/probe-spec.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { DesiredUpdate, ServiceProvenance } from '../pipeline/desired-update.ts'
import { proving } from './held-members.ts'
import type { Host } from './host.ts'
import { type PlannedCheck, type PlannedMember, planMembers, restingIn } from './probe-plan.ts'

/** Milliseconds between two questions to a backend that is about to turn, where `fast_interval` does not say. */
const AGAIN = 250

/** Milliseconds, longer than any run: who has said enough is not asked again. */
const ENOUGH = 86_400_000

export interface AskOnceOptions {
  readonly probeFor: Host['probeFor']
  /** Probes under way at a time. */
  readonly limit: number
  /** Milliseconds after which what is not known stays unknown. */
  readonly within: number
  /** Its time is milliseconds since the epoch and never runs backwards. */
  readonly scheduler: SchedulerLike
}

/** What a service's backends have said. One that has come to no verdict is `unknown`. */
export interface FoundOnce {
  readonly service: ServiceKey
  readonly name: string
  readonly found: ReadonlyMap<DestinationKey, Operational>
}

/** The service for a run that asks its backends in one round: what is not found out in it is not waited for. */
export function inOneRound(spec: ServiceSpec): ServiceSpec {
  if (spec.checks.length === 0) return spec
  const checks = spec.checks.map(({ fastInterval, ...check }) => ({
    ...check,
    interval: Number.POSITIVE_INFINITY,
    fastInterval: fastInterval ?? Math.min(check.interval, AGAIN),
  }))
  return { ...spec, checks }
}

/**
 * Asks every member that has checks until each check has come to a verdict by its `rise` and `fall`, gives what was found of
 * each service that has such members, and completes. Nobody is asked at the address of a service: the way there is the daemon's.
 */
export function askOnce({ provenance }: Pick<DesiredUpdate, 'provenance'>, options: AskOnceOptions): Observable<FoundOnce[]> {
  const { limit, within, scheduler } = options
  return defer(() => {
    const now = scheduler.now()
    const services = [...provenance].map(([service, known]) => ({ service, known, members: membersOf(known, now) }))
    const asked = services.filter(({ members }) => members.length > 0)
    const questions = questionsOf(
      asked.flatMap(({ members }) => members),
      options,
    )
    const open = new Set(questions.keys())
    const answered = (key: string, result: ProbeResult): boolean => {
      if (questions.get(key)?.heard(result, scheduler.now())) open.delete(key)
      return open.size > 0
    }
    const round$ = concat(of(questions), NEVER).pipe(
      runChecks({ limit, scheduler }),
      takeWhile(({ key, result }) => answered(key, result)),
      takeUntil(timer(within, scheduler)),
      ignoreElements(),
    )
    const found = (): FoundOnce[] =>
      asked.map(({ service, known, members }) => ({
        service,
        name: known.spec.name,
        found: new Map(members.map(({ destination, checks }) => [destination, foundOf(checks, questions, now)])),
      }))
    return concat(
      open.size === 0 ? EMPTY : round$,
      defer(() => of(found())),
    )
  })
}

/** Who has come to no verdict, in one sentence; undefined where everybody has. */
export function unknownSentence({ name, found }: FoundOnce): string | undefined {
  const unknown = [...found].filter(([, { health }]) => health === 'unknown')
  if (unknown.length === 0) return undefined
  const shown = unknown.slice(0, NAMED).map(([backend, { message }]) => `${backend} (${message ?? 'it has not answered yet'})`)
  const more = unknown.length > NAMED ? ` and ${unknown.length - NAMED} more` : ''
  return `${name}: probes came to no verdict on ${unknown.length} of ${found.size} backends, which count as unknown: ${shown.join(', ')}${more}`
}

/** How many backends a sentence names. */
const NAMED = 5

function membersOf(known: ServiceProvenance, now: number): readonly PlannedMember[] {
  return planMembers(known.spec, known.members, restingIn(known, now).resting)
}

/** One for all members that are asked alike. */
function questionsOf(members: readonly PlannedMember[], { probeFor, scheduler }: AskOnceOptions): ReadonlyMap<string, Question> {
  const now = scheduler.now()
  const questions = new Map<string, Question>()
  for (const check of members.flatMap(({ checks }) => checks)) {
    if (check.spec.via === 'vip' || questions.has(check.key)) continue
    questions.set(check.key, new Question(check, probeFor, now))
  }
  return questions
}

/** A check that is asked until it has come to a verdict, or has been asked often enough for one. */
class Question implements Check {
  readonly probe: Probe
  readonly timeout: number
  readonly #spec: CheckSpec
  #standing: CheckStanding
  #results = 0
  #hasVerdict = false

  constructor({ spec, target, refusalCounts }: PlannedCheck, probeFor: AskOnceOptions['probeFor'], now: number) {
    this.probe = proving(probeFor(spec.probe, target), refusalCounts)
    this.timeout = spec.timeout
    this.#spec = spec
    this.#standing = firstStanding(spec, now)
  }

  get interval(): number {
    return this.#isOver ? ENOUGH : (this.#spec.fastInterval ?? AGAIN)
  }

  /** Without a verdict nothing is known, whatever it began as. */
  get standing(): CheckStanding {
    return this.#hasVerdict ? this.#standing : { ...this.#standing, health: 'unknown' }
  }

  get #isOver(): boolean {
    return this.#hasVerdict || this.#results >= Math.max(this.#spec.rise, this.#spec.fall)
  }

  /** Whether that was the last result that is asked for. */
  heard(result: ProbeResult, now: number): boolean {
    this.#results += 1
    this.#standing = afterResult(this.#standing, result, this.#spec, now)
    this.#hasVerdict = result.outcome !== 'unknown' && this.#standing.health !== 'unknown' && this.#standing.against === 0
    return this.#isOver
  }
}

function foundOf(checks: readonly PlannedCheck[], questions: ReadonlyMap<string, Question>, now: number): Operational {
  return together(
    checks.map(({ key, spec }) => {
      const standing = questions.get(key)?.standing ?? { ...firstStanding(spec, now), health: 'unknown', message: BY_THE_DAEMON }
      return { kind: spec.probe.kind, standing }
    }),
  )
}

const BY_THE_DAEMON = 'only the daemon asks through the address of the service'
