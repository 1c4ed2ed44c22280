import { type CheckStanding, intervalAt } from '../health/check-standing.ts'
import type { Check } from '../health/checks.ts'
import type { Probe } from '../health/probe.ts'
import type { ProbeTarget } from '../health/target.ts'
import type { ProbeResult } from '../model/probe-result.ts'
import type { CheckSpec, ProbeKind } from '../model/probe-spec.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import { proving } from './held-members.ts'
import { NO_TURN, type PoolCheck, type Turn } from './pool-findings.ts'
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
  turn: Turn = NO_TURN
  last: LastResult | undefined

  constructor({ key, spec, target, refusalCounts, road }: PlannedCheck, standing: CheckStanding, probeFor: ProbeFor) {
    const probe = probeFor(spec.probe, target, road)
    this.key = key
    this.spec = spec
    this.probe = proving(probe, refusalCounts)
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
}
