import type { OperatorRequest, SaidOf } from '../admin/operator-request.ts'
import type { AdminState } from '../model/admin-state.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { OperatorVerb, SpokenOf } from '../model/operator-words.ts'
import { wallTime } from '../steady-scheduler.ts'
import { isReadyBehind } from './last-serving.ts'
import { backendNamed, backendsAt, backendsOf, type Known, serviceNamed } from './operator-targets.ts'

/** Steps of a weight's way where nobody says how many. */
const STEPS = 10

/** The backends that a request is about. Throws BAD_INPUT where there is none of that name. */
export function targetsOf({ target }: OperatorRequest, known: Known): readonly SpokenOf[] {
  if ('host' in target) return backendsAt(target.host, known)
  const service = serviceNamed(target.service, known)
  const backends = target.backends ?? []
  const keys =
    backends.length === 0
      ? backendsOf(service.key, known)
      : new Set(backends.map((backend) => backendNamed(backend, service, known)))
  return [...keys].map((backend) => ({ service: service.key, backend }))
}

/** Whether a request keeps new connections from its backends. */
export function leavesService(request: OperatorRequest): boolean {
  return request.verb === 'drain' || request.verb === 'maintenance' || (request.verb === 'weight' && request.weight === 0)
}

/** What a request says of one backend. */
export function verbOf(request: OperatorRequest, { service, backend }: SpokenOf, known: Known, now: number): OperatorVerb {
  if (request.verb === 'ready' || request.verb === 'unset') return { verb: request.verb }
  const terms = {
    ...(request.reason !== undefined && { reason: request.reason }),
    ...(request.for !== undefined && { until: now + request.for }),
  }
  if (request.verb !== 'weight') return { verb: request.verb, ...terms }
  const { weight, over, steps = STEPS } = request
  const from = weightNow({ service, backend }, known)
  return {
    verb: 'weight',
    weight,
    ...(over !== undefined && from !== weight && { ramp: { from, duration: over, steps } }),
    ...terms,
  }
}

/** The whole weight from which another one is reached. A part of 1 is 1, and one that waits behind a better priority has its own: a way that begins at 0 would take it out. */
function weightNow({ service, backend }: SpokenOf, known: Known): number {
  const { destinations, weightScale: scale = 1 } = known.update?.desired.services.get(service) ?? {}
  const weight = destinations?.get(backend)?.weight
  if (weight !== undefined) return weight === 0 ? 0 : Math.max(1, Math.round(weight / scale))
  if (!isReadyBehind({ service, backend }, known)) return 0
  const { members, spec } = known.update?.provenance.get(service) ?? {}
  return known.words.get(service)?.get(backend)?.weight?.weight ?? members?.get(backend)?.backend.weight ?? spec?.weight ?? 0
}

/** What counts of a backend from now on. */
export function saidOf(service: string, backend: DestinationKey, word: AdminState | undefined): SaidOf {
  const { state = 'ready', until, weight } = word ?? {}
  return {
    service,
    backend,
    state,
    ...(until !== undefined && { until: wallTime(until) }),
    ...(weight !== undefined && { weight: weight.weight }),
    ...(weight?.until !== undefined && { weight_until: wallTime(weight.until) }),
  }
}
