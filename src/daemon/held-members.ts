import type { Probe } from '../health/probe.ts'
import type { ProbeTarget } from '../health/target.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { ProbeKind } from '../model/probe-spec.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import type { ServiceProvenance } from '../pipeline/desired-update.ts'

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

/** Every held member of a service that can be asked by a TCP connect. */
export function heldMembers(service: ServiceKey, { spec, held, members }: Holding): HeldMember[] {
  if (held.size === 0 || whyNotProbed(spec) !== undefined) return []
  return [...held.keys()].flatMap((destination) => {
    const backend = members.get(destination)?.backend
    if (backend === undefined || backend.port === 0) return []
    const { address, port, forwarding = spec.forwarding } = backend
    const refusalCounts = forwarding.method === 'nat'
    return [{ service, name: spec.name, destination, target: { address, port }, refusalCounts }]
  })
}

type Holding = Pick<ServiceProvenance, 'spec' | 'held' | 'members'>

/** Why a TCP connect cannot tell whether members of a service live; undefined where it can. */
export function whyNotProbed({ identity, checks }: ServiceSpec): string | undefined {
  if (identity.kind === 'fwmark') return 'a firewall mark says nothing of the protocol'
  if (identity.protocol !== 'tcp') return `a TCP connect tells nothing of a ${identity.protocol} service`
  return checks.length > 0 ? undefined : 'its health_check is switched off'
}

/** What members that are asked alike have in common. */
export function checkOf({ destination, refusalCounts }: HeldMember): string {
  return `tcp ${destination}${refusalCounts ? '' : ' unless refused'}`
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
