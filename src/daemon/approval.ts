import { nearest } from '../document/suggest.ts'
import { PointsmanError } from '../errors.ts'
import type { DestinationKey } from '../model/destination.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import { type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import type { DesiredUpdate } from '../pipeline/desired-update.ts'

/** What of a service is held, until it is approved of. */
export interface Held {
  readonly key: ServiceKey
  /** Backends whose removal the guard holds; none where only the definition of the service is held. */
  readonly removals: readonly DestinationKey[]
  /** Backends that fail together with too many others, and serve all the same. */
  readonly failures: readonly DestinationKey[]
}

/** The service that a person names, and what is held of it; throws BAD_INPUT and NOTHING_HELD. */
export function heldOf(
  name: string,
  services: readonly ServiceSpec[],
  update: DesiredUpdate | undefined,
  definitionsHeld: ReadonlySet<ServiceKey>,
): Held {
  const service = services.find((spec) => spec.name === name)
  if (service === undefined) throw unknownService(name, services)
  const key = serviceKey(service.identity)
  const known = update?.provenance.get(key)
  const removals = [...(known?.held.keys() ?? [])]
  const failures = [...(known?.pool.heldFailures.keys() ?? [])]
  if (removals.length + failures.length > 0 || definitionsHeld.has(key)) return { key, removals, failures }
  throw new PointsmanError('NOTHING_HELD', `Nothing is held of service ${name}: there is nothing to approve.`)
}

/** The sentence for a name that no service has, with the one that was probably meant. */
export function unknownService(name: string, services: readonly ServiceSpec[]): PointsmanError {
  const near = nearest(
    name,
    services.map((service) => service.name),
  )
  const remedy = near === undefined ? 'write its name as the configuration of the daemon has it.' : `did you mean ${near}?`
  return new PointsmanError('BAD_INPUT', `There is no service named ${JSON.stringify(name)}; ${remedy}`)
}
