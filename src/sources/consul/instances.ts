import { type BackendContext, checkBackend } from '../../document/backend-rules.ts'
import type { Issue } from '../../document/issue.ts'
import type { Backend, BackendSet, DiscoveredState } from '../../model/backend.ts'
import type { ConsulSourceSpec } from '../../model/consul-source-spec.ts'
import { type DestinationKey, destinationKey } from '../../model/destination.ts'
import { serviceFamily } from '../../model/virtual-service.ts'
import { type HealthEntry, instanceId, type ReadEntry } from './health-entry.ts'
import { placeOf, stateOf } from './instance.ts'
import { weightOf } from './weight.ts'

/** The members that an answer lists, and what of it could not be used. */
export interface Instances {
  readonly backends: ReadonlyMap<DestinationKey, Backend>
  /** The same by node and id of the instance, for those that cannot be read next time. */
  readonly byId: ReadonlyMap<string, Backend>
  /** What is odd, one sentence each. */
  readonly warnings: readonly Issue[]
  /** Entries that could not be used, or not all of them. */
  readonly quarantined: number
  /**
   * Somebody is listed of whom nothing is known: who is absent may be that one, and nobody may be removed. So it is where all are put
   * aside, too: that is no empty list.
   */
  readonly incomplete: boolean
}

/**
 * Makes members of an answer. An entry that cannot be used is put aside and told; where the instance was known before, it
 * stays as it was.
 */
export function readInstances(
  entries: readonly ReadEntry[],
  spec: Pick<ConsulSourceSpec, 'passingOnly' | 'taggedAddress'>,
  service: BackendContext,
  { origin, previous }: { readonly origin: string; readonly previous?: Instances },
): Instances {
  const byId = new Map<string, Backend>()
  const warnings: Issue[] = []
  let incomplete = false
  let quarantined = 0
  for (const read of entries) {
    const result = read.ok
      ? toBackend(read.entry, spec, service)
      : { problems: [[read.problem, 'look at its registration'] as const] }
    const known = read.id === undefined ? undefined : previous?.byId.get(read.id)
    const backend = result.backend ?? known
    if (read.id !== undefined && backend !== undefined) byId.set(read.id, backend)
    if (read.id === undefined) incomplete = true
    if (result.backend === undefined || result.passedOver) quarantined++
    const kept = result.backend === undefined && known !== undefined ? ' (it stays as it was known)' : ''
    for (const [problem, remedy] of result.problems)
      warnings.push({ file: origin, path: read.id ?? 'an instance', problem: `${problem}${kept}`, remedy })
  }
  // Who is listed and cannot be used has not left: nobody is a member only where nobody is listed.
  if (byId.size === 0 && entries.length > 0) incomplete = true
  return { backends: byEndpoint(byId), byId, warnings, quarantined, incomplete }
}

/** Members from before, as those who were read: an entry that cannot be used leaves its instance as it was. */
export function instancesOf(backends: BackendSet['backends']): Instances {
  const byId = new Map(
    [...backends.values()].map((backend) => [instanceId(backend.meta?.['node'] ?? '', backend.meta?.['id'] ?? ''), backend]),
  )
  return { backends, byId, warnings: [], quarantined: 0, incomplete: false }
}

type Problem = readonly [problem: string, remedy: string]

interface Made {
  readonly backend?: Backend
  /** Something of it, such as its weight, could not be used. */
  readonly passedOver?: boolean
  readonly problems: readonly Problem[]
}

function toBackend(entry: HealthEntry, spec: Parameters<typeof readInstances>[1], service: BackendContext): Made {
  const place = placeOf(entry, spec.taggedAddress, serviceFamily(service.identity))
  if (!place.ok) return { problems: [[place.problem, place.remedy]] }
  const found = stateOf(entry)
  const state = spec.passingOnly && found === 'warning' ? 'critical' : found
  const { weight, problems } = weightOf(entry, state === 'warning')
  const backend: Backend = {
    address: place.address,
    port: place.port,
    ...(weight !== undefined && { weight }),
    state,
    meta: { node: entry.Node.Node, id: entry.Service.ID },
  }
  const weights = problems.map((problem): Problem => [problem, 'write a weight from 0 to 65535'])
  const mismatches = checkBackend(backend, service)
  const told = mismatches.map(({ problem, remedy }): Problem => [problem, remedy])
  const usable = mismatches.every(({ severity }) => severity !== 'error')
  return { ...(usable && { backend }), passedOver: weights.length > 0, problems: [...told, ...weights] }
}

const RANK: Readonly<Record<DiscoveredState, number>> = { passing: 0, warning: 1, critical: 2, maintenance: 3 }

/** Two instances with one address and port are one member, and the healthier one speaks for it: the other is a leftover. */
function byEndpoint(byId: ReadonlyMap<string, Backend>): ReadonlyMap<DestinationKey, Backend> {
  const backends = new Map<DestinationKey, Backend>()
  for (const backend of byId.values()) {
    const key = destinationKey(backend)
    const twin = backends.get(key)
    if (twin === undefined || rank(backend) < rank(twin)) backends.set(key, backend)
  }
  return backends
}

function rank({ state = 'passing' }: Backend): number {
  return RANK[state]
}
