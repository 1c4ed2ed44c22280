/** The checks in one state, by node and id: of which service, or of the whole node. */
export type CheckList = ReadonlyMap<string, Checked>

interface Checked {
  readonly node: string
  /** Empty for a check of the node. */
  readonly service: string
}

/** Undefined when the answer is not a list; checks that cannot be read are nobody's. Plain, because there may be 100,000. */
export function readCheckList(json: unknown): CheckList | undefined {
  if (!Array.isArray(json)) return undefined
  const checks = new Map<string, Checked>()
  for (const raw of json) {
    const { Node: node, CheckID: id, ServiceName: service = '' } = (raw ?? {}) as Record<string, unknown>
    if (typeof node === 'string' && typeof id === 'string' && typeof service === 'string')
      checks.set(`${node}/${id}`, { node, service })
  }
  return checks
}

export interface ChangedChecks {
  readonly services: ReadonlySet<string>
  readonly nodes: ReadonlySet<string>
}

/** The services and nodes whose checks entered or left the state. */
export function changedChecks(before: CheckList, after: CheckList): ChangedChecks {
  const services = new Set<string>()
  const nodes = new Set<string>()
  const collect = (checks: CheckList, others: CheckList) => {
    for (const [key, { node, service }] of checks) {
      if (others.has(key)) continue
      if (service === '') nodes.add(node)
      else services.add(service)
    }
  }
  collect(before, after)
  collect(after, before)
  return { services, nodes }
}
