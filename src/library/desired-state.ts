import { PointsmanError } from '../errors.ts'
import type { DesiredService, DesiredState } from '../model/desired-state.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import { type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import { decide } from '../pipeline/decide.ts'
import { membersOf, NO_MEMBERS } from '../pipeline/hold.ts'
import { PINNED_ORIGIN } from '../pipeline/service.ts'

export interface DesiredOptions {
  /** Milliseconds that a leaving backend may take, in place of what the services say. */
  readonly drainTimeout?: number
}

/**
 * What the kernel should hold for these services with the backends that are written in them, as `apply` understands them: nobody is
 * asked whether he works. A service with a `source` is not asked for its backends either: what is written beside it is added and nothing is removed.
 * Pure. Throws a PointsmanError with the code BAD_INPUT where a service asks for more than the IPVS table (`full_nat`,
 * `virtual_address`), or is there twice.
 */
export function desiredState(services: readonly ServiceSpec[], options: DesiredOptions = {}): DesiredState {
  const wanted = new Map<ServiceKey, DesiredService>()
  for (const spec of services) {
    const key = serviceKey(spec.identity)
    if (wanted.has(key)) throw new PointsmanError('BAD_INPUT', `Two services are ${key}: leave out one of them.`)
    wanted.set(key, desiredService(tableAlone(spec), options))
  }
  return { services: wanted }
}

function desiredService(spec: ServiceSpec, { drainTimeout = spec.drainTimeout }: DesiredOptions): DesiredService {
  const members = membersOf(NO_MEMBERS, spec.backends, PINNED_ORIGIN)
  return decide({ ...spec, drainTimeout }, members, spec.sources.length === 0).service
}

/** Opened without its source NAT a service would lose its clients' connections for good. */
function tableAlone(spec: ServiceSpec): ServiceSpec {
  const beyond = spec.fullNat ? 'full_nat' : spec.virtualAddress !== undefined ? 'virtual_address' : undefined
  if (beyond === undefined) return spec
  throw new PointsmanError(
    'BAD_INPUT',
    `The service ${spec.name} asks for ${beyond}, and the library writes the IPVS table alone: leave it out, or have \`pointsman apply\` do it.`,
  )
}
