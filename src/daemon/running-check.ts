import { type CheckStanding, intervalAt } from '../health/check-standing.ts'
import type { Check } from '../health/checks.ts'
import type { Probe } from '../health/probe.ts'
import type { ProbeTarget } from '../health/target.ts'
import type { ProbeResult } from '../model/probe-result.ts'
import type { CheckSpec, ProbeKind } from '../model/probe-spec.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import { passesByAnswers, proving } from './held-members.ts'
import { NO_TURN, nextTurn, type PoolCheck, type Turn } from './pool-findings.ts'
import type { PlannedCheck } from './probe-plan.ts'
import type { Road } from './probe-roads.ts'

/** `road`: the target is the address of the service. */
export type ProbeFor = (kind: ProbeKind, target: ProbeTarget, road?: Road | 'none') => Probe

/** The last result of one check. */
export interface LastResult {
  readonly kind: ProbeKind['kind']
  readonly result: ProbeResult
  /** Milliseconds. */
  readonly took: number
  /** Milliseconds since the epoch at which it ended. */
  readonly at: number
  /** How many of the check have failed since it began. */
  readonly failures: number
}

/** A check that runs, and for whom. */
export class RunningCheck implements Check, PoolCheck {
  readonly key: string
  readonly spec: CheckSpec
  readonly probe: Probe
  readonly timeout: number
  readonly jitter: number
  readonly services = new Set<ServiceKey>()
  standing: CheckStanding
  // Its last result lies here and in no object of its own: each check keeps one for an interval, and all of them would be copied as garbage that lives.
  #result: ProbeResult | undefined
  #took = 0
  #endedAt = 0
  #failures = 0
  #failingSince: number | undefined

  constructor({ key, spec, target, refusalCounts, road }: PlannedCheck, standing: CheckStanding, probeFor: ProbeFor) {
    const probe = probeFor(spec.probe, target, road)
    this.key = key
    this.spec = spec
    this.probe = proving(probe, refusalCounts, passesByAnswers(spec.probe))
    this.timeout = spec.timeout
    this.jitter = spec.jitter
    this.standing = standing
  }

  get interval(): number {
    return intervalAt(this.standing, this.spec)
  }

  get isDown(): boolean {
    return this.standing.health === 'down'
  }

  get last(): LastResult | undefined {
    const result = this.#result
    if (result === undefined) return undefined
    return { kind: this.spec.probe.kind, result, took: this.#took, at: this.#endedAt, failures: this.#failures }
  }

  get turn(): Turn {
    if (this.#result === undefined) return NO_TURN
    const at = this.#endedAt - this.#took
    return this.#failingSince === undefined ? { at } : { at, failingSince: this.#failingSince }
  }

  /** Whether the last of its results that says anything of the backend was a failure above connect. */
  get isSuspect(): boolean {
    return this.#failingSince !== undefined
  }

  /** One more result, after so many milliseconds. `now`: milliseconds since the epoch. */
  heard(result: ProbeResult, took: number, now: number): void {
    this.#failingSince = nextTurn(this.turn, result, took, now).failingSince
    this.#result = result
    this.#took = took
    this.#endedAt = now
    if (result.outcome === 'failed') this.#failures += 1
  }
}
