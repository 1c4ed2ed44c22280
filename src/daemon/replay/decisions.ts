import type { DesiredService } from '../../model/desired-state.ts'
import type { DestinationKey } from '../../model/destination.ts'
import type { StateEvent } from '../../model/state-event.ts'
import type { ServiceKey } from '../../model/virtual-service.ts'
import type { DesiredUpdate, ServiceProvenance } from '../../pipeline/desired-update.ts'
import { transitionsBetween } from '../transitions.ts'

/** A backend that is to have another weight, or to be there or not. */
export interface WeightDecision {
  readonly kind: 'weight'
  /** Name of the service. */
  readonly service: string
  readonly vip: ServiceKey
  readonly backend: DestinationKey
  /** As people write it; undefined: it is not there. */
  readonly from: number | undefined
  readonly to: number | undefined
  /** The last word first. */
  readonly reasons: readonly string[]
}

export type Decision = WeightDecision | StateEvent

/** What turns for a pool as a whole. Who serves is told by the weights, and what probes find is in the journal. */
const OF_POOLS: ReadonlySet<StateEvent['kind']> = new Set<StateEvent['kind']>(['pool', 'quorum', 'ejection'])

/** What was decided otherwise than before. */
export function decisionsBetween(before: DesiredUpdate | undefined, after: DesiredUpdate): Decision[] {
  const services = new Set([...(before?.desired.services.keys() ?? []), ...after.desired.services.keys()])
  const weights = [...services].flatMap((vip) => {
    const now = after.desired.services.get(vip)
    return weightsBetween(vip, before?.desired.services.get(vip), now, after.provenance.get(vip))
  })
  return [...weights, ...transitionsBetween(before, after).filter(({ kind }) => OF_POOLS.has(kind))]
}

function weightsBetween(
  vip: ServiceKey,
  before: DesiredService | undefined,
  after: DesiredService | undefined,
  provenance: ServiceProvenance | undefined,
): WeightDecision[] {
  if (before === after || (before?.destinations === after?.destinations && before?.weightScale === after?.weightScale)) return []
  const service = after?.name ?? before?.name ?? vip
  const backends = new Set([...(before?.destinations.keys() ?? []), ...(after?.destinations.keys() ?? [])])
  return [...backends].sort(BY_NUMBER.compare).flatMap((backend) => {
    const from = weightOf(before, backend)
    const to = weightOf(after, backend)
    if (from === to) return []
    const reasons = after?.destinations.get(backend)?.reasons ?? reasonsOfAbsence(backend, after, provenance)
    return [{ kind: 'weight' as const, service, vip, backend, from, to, reasons }]
  })
}

/** 10.0.0.9 before 10.0.0.10. */
const BY_NUMBER = new Intl.Collator('en', { numeric: true })

function weightOf(service: DesiredService | undefined, backend: DestinationKey): number | undefined {
  const weight = service?.destinations.get(backend)?.weight
  return weight === undefined ? undefined : weight / (service?.weightScale ?? 1)
}

function reasonsOfAbsence(
  backend: DestinationKey,
  service: DesiredService | undefined,
  provenance: ServiceProvenance | undefined,
): readonly string[] {
  if (service === undefined) return ['the service is not wanted any more']
  return provenance?.leftOut.get(backend) ?? ['nobody names it any more']
}
