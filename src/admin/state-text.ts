import type { DiscoveredState } from '../model/backend.ts'
import type { Health } from '../model/probe-result.ts'
import type { ServiceIdentity } from '../model/virtual-service.ts'
import { type Family, labelText } from './exposition.ts'
import { familyText } from './family-text.ts'
import { Pace } from './pace.ts'
import { serviceLabels } from './traffic-ledger.ts'

/** The three states of a backend, and what is known of its certificates. */
export interface BackendStates {
  /** `10.0.1.1:8080` */
  readonly backend: string
  readonly admin: 'ready' | 'drain' | 'maintenance'
  /** What the registry says of it; `listed`: nothing but that it exists. `held`: no longer named, and kept by the guard. */
  readonly discovered: 'listed' | 'held' | DiscoveredState
  /** `unprobed`: nobody asks it. */
  readonly operational: Health | 'unprobed'
  /** Whole days until the certificate that it showed runs out, by the check that saw it. */
  readonly certificates: ReadonlyMap<string, number>
}

export interface ServiceStates {
  readonly name: string
  readonly identity: ServiceIdentity
  readonly backends: Iterable<BackendStates>
}

interface StateFamily extends Family {
  readonly linesOf: (name: string, series: Series) => string
}

interface Series {
  readonly labels: string
  readonly states: BackendStates
}

const stateOf =
  (dimension: 'admin' | 'discovered' | 'operational') =>
  (name: string, { labels, states }: Series): string =>
    `${name}{${labels},state="${states[dimension]}"} 1\n`

export const STATE_FAMILIES: readonly StateFamily[] = [
  {
    name: 'pointsman_backend_admin_state',
    type: 'gauge',
    help: "1 for the operator's word of the backend: ready, drain, maintenance.",
    linesOf: stateOf('admin'),
  },
  {
    name: 'pointsman_backend_discovered_state',
    type: 'gauge',
    help: "1 for its source's word of the backend: listed, passing, warning, critical, maintenance, or held by the guard.",
    linesOf: stateOf('discovered'),
  },
  {
    name: 'pointsman_backend_operational_state',
    type: 'gauge',
    help: '1 for what probes found of the backend: up, down, unknown, or unprobed.',
    linesOf: stateOf('operational'),
  },
  {
    name: 'pointsman_certificate_days',
    type: 'gauge',
    help: 'Whole days until the certificate that the backend showed to a check runs out; negative afterwards.',
    linesOf: (name, { labels, states }) => {
      const lines = [...states.certificates].map(([check, days]) => `${name}{${labels},${labelText({ check })}} ${days}\n`)
      return lines.join('')
    },
  },
]

/** The states of all backends, piece by piece. */
export async function* stateText(services: Iterable<ServiceStates>): AsyncGenerator<string> {
  const pace = new Pace()
  const list: Series[] = []
  for (const { name, identity, backends } of services) {
    const labels = labelText(serviceLabels(name, identity))
    for (const states of backends) {
      list.push({ labels: `${labels},${labelText({ backend: states.backend })}`, states })
      if (pace.due()) await pace.rest()
    }
  }
  for (const family of STATE_FAMILIES) yield* familyText(family, list, (series) => family.linesOf(family.name, series), pace)
}
