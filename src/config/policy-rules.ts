import { type BackendContext, checkBackend } from '../document/backend-rules.ts'
import type { Backend } from '../model/backend.ts'
import {
  DEFAULT_POLICY,
  MAXIMUM_WEIGHT,
  type PolicySpec,
  type QuorumSpec,
  SLOW_START_SCALE,
  SLOW_START_SCHEDULERS,
} from '../model/policy-spec.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { Scheduler } from '../model/virtual-service.ts'
import { type Draft, effective, merged } from './draft.ts'
import type { Findings } from './findings.ts'
import { byInheritance } from './service-rules.ts'

/** The highest weight that slow start can multiply. */
const HIGHEST = Math.floor(MAXIMUM_WEIGHT / SLOW_START_SCALE)

/** What must be known of a service to judge its policies. */
export interface PolicyContext {
  readonly service: BackendContext
  readonly scheduler: Scheduler
  readonly weight: number
  readonly backends: ServiceSpec['backends']
}

/** How the states of the service's backends become weights. */
export function readPolicy(draft: Draft, context: PolicyContext, findings: Findings): PolicySpec {
  const sorryServer = readSorryServer(draft, context.service, findings)
  const quorum = readQuorum(draft, findings)
  const slowStart = readSlowStart(draft, context, findings)
  const panic = effective(draft, 'panic').value
  const damping = effective(draft, 'damping').value
  const absentGrace = effective(draft, 'absent_grace').value
  return {
    onDown: effective(draft, 'on_down').value ?? DEFAULT_POLICY.onDown,
    panic: panic === undefined || panic === 'off' ? (panic ?? DEFAULT_POLICY.panic) : { percent: panic.percent ?? 0 },
    ...(sorryServer !== undefined && { sorryServer }),
    ...(quorum !== undefined && { quorum }),
    ...(slowStart !== undefined && { slowStart }),
    damping:
      damping === undefined || damping === 'off'
        ? (damping ?? DEFAULT_POLICY.damping)
        : { halfLife: damping.half_life ?? 60_000 },
    maxEjection: effective(draft, 'max_ejection').value ?? DEFAULT_POLICY.maxEjection,
    ...(absentGrace !== undefined && { absentGrace }),
  }
}

/** It stands in the table as a backend does, so the rules for backends are its rules. */
function readSorryServer(draft: Draft, service: BackendContext, findings: Findings): PolicySpec['sorryServer'] {
  const { value, path, inherited } = effective(draft, 'sorry_server')
  if (value === undefined) return undefined
  for (const { severity, problem, remedy } of checkBackend(value satisfies Backend, service)) {
    const sentence = `${problem}${byInheritance(draft, inherited)}`
    if (severity === 'error') findings.refuse(path, sentence, remedy)
    else findings.warn(path, sentence, remedy)
  }
  return value
}

function readQuorum(draft: Draft, findings: Findings): QuorumSpec | undefined {
  const { value, path, inherited } = effective(draft, 'quorum')
  if (value === undefined) return undefined
  const { by = 'count', min = 1, hysteresis = 0 } = merged(draft, 'quorum')
  const suffix = byInheritance(draft, inherited)
  if (hysteresis >= min) {
    const problem = `a quorum of ${min} with a hysteresis of ${hysteresis} would never be lost${suffix}`
    findings.refuse(path, problem, 'write a hysteresis below min')
  }
  if (by === 'percent' && min + hysteresis > 100) {
    const problem = `a quorum of ${min} percent with a hysteresis of ${hysteresis} would never be had${suffix}`
    findings.refuse(path, problem, 'write a min and a hysteresis that are 100 together at most')
  }
  return { by, min, hysteresis }
}

function readSlowStart(draft: Draft, { scheduler, weight, backends }: PolicyContext, findings: Findings): number | undefined {
  const { value, path, inherited } = effective(draft, 'slow_start')
  if (value === undefined || value === 0) return undefined
  const suffix = byInheritance(draft, inherited)
  if (!SLOW_START_SCHEDULERS.includes(scheduler)) {
    const problem = `slow_start means nothing to the scheduler ${scheduler}${suffix}`
    findings.refuse(path, problem, `write scheduler: ${SLOW_START_SCHEDULERS.join(', ')}, or slow_start: 0`)
    return undefined
  }
  const limit = `above ${HIGHEST}, and slow_start carries weights ${SLOW_START_SCALE} times (the kernel takes ${MAXIMUM_WEIGHT})`
  const remedy = `write a weight from 0 to ${HIGHEST}, or slow_start: 0`
  if (weight > HIGHEST) findings.refuse(effective(draft, 'weight').path, `weight ${weight} is ${limit}${suffix}`, remedy)
  for (const [index, backend] of [...backends.values()].entries()) {
    if ((backend.weight ?? 0) <= HIGHEST) continue
    findings.refuse([...draft.path, 'backends', index], `weight ${backend.weight} is ${limit}${suffix}`, remedy)
  }
  return value
}

/** What is accepted of the policies and does not do all that one might think. */
export function warnOfPolicies(draft: Draft, spec: ServiceSpec, own: Findings): void {
  const onDown = effective(draft, 'on_down')
  if (spec.checks.length === 0) {
    for (const key of ['on_down', 'panic', 'damping', 'max_ejection', 'absent_grace'] as const) {
      const { path, inherited, value } = effective(draft, key)
      if (value === undefined || inherited) continue
      own.warn(path, `${key} has no effect, because nothing asks the backends`, 'write health_check, or remove it', 'key')
    }
    return
  }
  if (onDown.value === 'zero') warnOfZero(draft, spec, own)
}

function warnOfZero(draft: Draft, spec: ServiceSpec, own: Findings): void {
  const { path } = effective(draft, 'on_down')
  const remedy = 'leave on_down out, or write remove'
  if (spec.onePacket === true || (spec.identity.kind === 'address' && spec.identity.protocol === 'udp')) {
    own.warn(path, 'with weight 0 a backend that fails still gets the datagrams of the clients that it has', remedy)
  } else if (spec.persistence !== undefined && spec.persistence !== 'none') {
    own.warn(
      path,
      'with weight 0 a backend that fails keeps its persistent clients while net.ipv4.vs.expire_quiescent_template is 0',
      remedy,
    )
  }
}
