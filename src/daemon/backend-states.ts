import type { BackendStates, ServiceStates } from '../admin/state-text.ts'
import type { ServiceKey } from '../model/virtual-service.ts'
import { wordInForce } from '../pipeline/deciding/operator.ts'
import type { DesiredUpdate, ServiceProvenance } from '../pipeline/desired-update.ts'
import type { Certificates } from './probe-backends.ts'

const NO_CERTIFICATES: Certificates = new Map()

/** The states of every member of every service. `now`: milliseconds since the epoch. */
export function* backendStates(
  { provenance }: Pick<DesiredUpdate, 'provenance'>,
  certificates: ReadonlyMap<ServiceKey, Certificates>,
  now: number,
): Generator<ServiceStates> {
  for (const [key, known] of provenance) {
    const { name, identity } = known.spec
    yield { name, identity, backends: membersOf(known, certificates.get(key) ?? NO_CERTIFICATES, now) }
  }
}

function* membersOf(
  { spec, members, held, admin, operational }: ServiceProvenance,
  certificates: Certificates,
  now: number,
): Generator<BackendStates> {
  for (const [key, { backend }] of members) {
    const word = admin.get(key)
    yield {
      backend: key,
      admin: word === undefined ? 'ready' : wordInForce(word, now).state,
      discovered: held.has(key) ? 'held' : (backend.state ?? 'listed'),
      operational: operational.get(key)?.health ?? (spec.checks.length > 0 ? 'unknown' : 'unprobed'),
      certificates: certificates.get(key) ?? new Map(),
    }
  }
}
