import { nearest } from '../document/suggest.ts'
import { endpoint } from '../document/values/endpoint.ts'
import { PointsmanError } from '../errors.ts'
import { parseAddress } from '../model/address.ts'
import type { OperatorWords } from '../model/admin-state.ts'
import { type DestinationKey, destinationKey } from '../model/destination.ts'
import type { SpokenOf } from '../model/operator-words.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import { type ServiceKey, serviceKey } from '../model/virtual-service.ts'
import type { DesiredUpdate } from '../pipeline/desired-update.ts'
import { unknownService } from './approval.ts'

/** What a running daemon knows of services and their backends. */
export interface Known {
  /** The services that are wanted. */
  readonly services: readonly ServiceSpec[]
  /** Absent before the first desired state. */
  readonly update: DesiredUpdate | undefined
  readonly words: OperatorWords
}

/** A service that a person named, and what it is called. */
export interface NamedService {
  readonly key: ServiceKey
  readonly name: string
}

/** A service by its name, or by its key, which also finds one that is known by words about it alone. Throws BAD_INPUT. */
export function serviceNamed(name: string, { services, words }: Pick<Known, 'services' | 'words'>): NamedService {
  const spec = services.find((each) => each.name === name) ?? services.find(({ identity }) => serviceKey(identity) === name)
  if (spec !== undefined) return { key: serviceKey(spec.identity), name: spec.name }
  if (words.has(name as ServiceKey)) return { key: name as ServiceKey, name }
  throw unknownService(name, services)
}

/** A backend of a service as a person writes it, `10.0.1.1:80`. Throws BAD_INPUT. */
export function backendNamed(text: string, service: NamedService, known: Known): DestinationKey {
  const read = endpoint.read(text)
  if (!read.ok) throw new PointsmanError('BAD_INPUT', `Backend: ${read.problem}; ${read.remedy}.`)
  const key = destinationKey(read.value)
  const backends = backendsOf(service.key, known)
  if (backends.has(key)) return key
  const near = nearest(key, [...backends])
  const remedy = near === undefined ? `\`pointsman status ${service.name}\` lists its backends.` : `did you mean ${near}?`
  throw new PointsmanError('BAD_INPUT', `Service ${service.name} has no backend ${key}; ${remedy}`)
}

/** Every backend of a service that sources name, the guard keeps or a word is about. */
export function backendsOf(service: ServiceKey, { update, words }: Pick<Known, 'update' | 'words'>): ReadonlySet<DestinationKey> {
  const named = update?.provenance.get(service)?.members.keys() ?? []
  return new Set([...named, ...(words.get(service)?.keys() ?? [])])
}

/** The backends at an address, or an address and a port, in every service. Throws BAD_INPUT where there is none. */
export function backendsAt(host: string, known: Known): SpokenOf[] {
  const address = parseAddress(host)
  const read = address === undefined ? endpoint.read(host) : undefined
  if (read !== undefined && !read.ok) throw new PointsmanError('BAD_INPUT', `--all-services: ${read.problem}; ${read.remedy}.`)
  const wanted = read === undefined ? undefined : destinationKey(read.value)
  const isMeant = (backend: DestinationKey) => (wanted === undefined ? hostOf(backend) === address : backend === wanted)
  const keys = new Set([...known.services.map(({ identity }) => serviceKey(identity)), ...known.words.keys()])
  const found = [...keys].flatMap((service) =>
    [...backendsOf(service, known)].filter(isMeant).map((backend) => ({ service, backend })),
  )
  if (found.length > 0) return found
  throw new PointsmanError('BAD_INPUT', `No service has a backend at ${wanted ?? address}; \`pointsman status\` lists them all.`)
}

function hostOf(backend: DestinationKey): string {
  return backend.slice(0, backend.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}
