import type { Probe } from '../health/probe.ts'
import { type ProbeTarget, targetName } from '../health/target.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { CheckSpec, ProbeKind } from '../model/probe-spec.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { ServiceProvenance } from '../pipeline/desired-update.ts'
import { planCheck } from './probe-plan.ts'

/** A member whose removal is held, and how it is asked whether it lives. */
export interface HeldMember {
  readonly service: ServiceKey
  /** Of the service. */
  readonly name: string
  readonly destination: DestinationKey
  readonly target: ProbeTarget
  /** Whether a refused connection means that it is gone. */
  readonly refusalCounts: boolean
}

/**
 * Every held member of a service that can be asked by a TCP connect: one that is made as a health check of its own makes it. Where none goes to the member
 * itself over TCP, a connect would take another way than they do, and they alone say who is dead.
 */
export function heldMembers(service: ServiceKey, { spec, held, members }: Holding): HeldMember[] {
  const check = held.size === 0 || !isTcp(spec) ? undefined : spec.checks.find(connectsToMember)
  if (check === undefined) return []
  return [...held.keys()].flatMap((destination) => {
    const member = members.get(destination)
    const planned = member === undefined ? undefined : planCheck(check, spec, member)
    if (member === undefined || planned === undefined) return []
    const { method } = member.backend.forwarding ?? spec.forwarding
    const refusalCounts = method === 'nat' || check.port !== undefined
    return [{ service, name: spec.name, destination, target: planned.target, refusalCounts }]
  })
}

function isTcp({ identity }: Pick<ServiceSpec, 'identity'>): boolean {
  return identity.kind === 'address' && identity.protocol === 'tcp'
}

/** Whether a check fails where a TCP connect to the member fails. */
function connectsToMember({ probe, via, address }: CheckSpec): boolean {
  if (via === 'vip' || address !== undefined) return false
  switch (probe.kind) {
    case 'tcp':
    case 'tls':
    case 'grpc':
    case 'smtp':
      return true
    case 'http':
      return probe.proxy === undefined || 'url' in probe.proxy
    case 'dns':
    case 'syslog':
      return probe.transport === 'tcp'
    case 'udp':
    case 'exec':
    case 'agent':
      return false
  }
}

type Holding = Pick<ServiceProvenance, 'spec' | 'held' | 'members'>

/** Why nobody asks whether members of a service live; undefined where somebody does, by a TCP connect or its health checks. */
export function whyNotProbed({ identity, checks }: Pick<ServiceSpec, 'identity' | 'checks'>): string | undefined {
  if (checks.length > 0) return undefined
  if (identity.kind === 'fwmark') return 'a firewall mark says nothing of the protocol'
  if (identity.protocol !== 'tcp') return `a TCP connect tells nothing of a ${identity.protocol} service`
  return 'its health_check is switched off'
}

/** What members that are asked alike have in common. */
export function checkOf({ target, refusalCounts }: HeldMember): string {
  const { sourceAddress = '', mark = '' } = target
  return `tcp ${targetName(target)} ${sourceAddress} ${mark}${refusalCounts ? '' : ' unless refused'}`
}

/** Whether a probe of this kind passes only when something came back: over UDP silence may be enough. */
export function passesByAnswers(kind: ProbeKind): boolean {
  if (kind.kind === 'udp') return kind.expect !== undefined
  return kind.kind !== 'syslog' || kind.transport === 'tcp'
}

/**
 * A connection that is refused is an answer of the host. Where packets keep the VIP as their destination, the server may
 * listen there alone, so that a refusal at its own address proves nothing; unless it has answered there before, where
 * `passesByAnswers` says that nothing else passes.
 */
export function proving(probe: Probe, refusalCounts: boolean, passesByAnswers = false): Probe {
  if (refusalCounts) return probe
  let hasAnswered = false
  return async (signal) => {
    const result = await probe(signal)
    if (result.outcome === 'passed') hasAnswered = passesByAnswers
    if (hasAnswered || result.outcome !== 'failed' || result.failure !== 'refused') return result
    return { outcome: 'unknown', message: `${result.message}, but may listen at the VIP alone` }
  }
}
