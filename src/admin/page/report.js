/** The report that the page shows, kept current by deltas. Nothing here touches the page. */

/** @import { BackendReport, ServiceReport, StatusReport } from '../status-schema.ts' */
/** @import { StatusDelta } from '../status-delta.ts' */

/** How many changes are shown; the server remembers as many. */
const REMEMBERED = 200

/** 10.0.0.9 before 10.0.0.10. */
const BY_NUMBER = new Intl.Collator('en', { numeric: true })

/** @param {ServiceReport} a @param {ServiceReport} b */
const byName = (a, b) => BY_NUMBER.compare(a.service, b.service) || BY_NUMBER.compare(a.key, b.key)

/** @param {BackendReport} a @param {BackendReport} b */
const byBackend = (a, b) => BY_NUMBER.compare(a.backend, b.backend)

/**
 * The same report with services and backends in the order in which they are shown.
 * @template {StatusReport} R @param {R} report @returns {R}
 */
export function inOrder(report) {
  const services = report.services.map((service) => ({ ...service, backends: service.backends.toSorted(byBackend) }))
  return { ...report, services: services.sort(byName) }
}

/**
 * The report after a delta. Services and backends that did not change are the same objects as before.
 * @template {StatusReport} R @param {R} report @param {StatusDelta & { at: string, revision: number }} delta @returns {R}
 */
export function applied(report, { at, revision, head, services, changes }) {
  const next = { ...patched(report, head ?? {}), at, revision }
  if (changes !== undefined) next.changes = [...report.changes, ...changes].slice(-REMEMBERED)
  if (services !== undefined) next.services = appliedServices(report.services, services)
  return next
}

/** @param {readonly ServiceReport[]} services @param {NonNullable<StatusDelta['services']>} patches */
function appliedServices(services, patches) {
  const known = new Map(services.map((service) => [service.key, service]))
  for (const patch of patches) {
    const before = known.get(patch.key)
    if (patch.gone) known.delete(patch.key)
    else {
      const empty = /** @type {ServiceReport} */ ({ key: patch.key, backends: /** @type {BackendReport[]} */ ([]) })
      const service = patched(before ?? empty, patch)
      if (patch.backends !== undefined) service.backends = appliedBackends(service.backends, patch.backends)
      known.set(patch.key, service)
    }
  }
  return [...known.values()].sort(byName)
}

/** @param {readonly BackendReport[]} backends @param {NonNullable<NonNullable<StatusDelta['services']>[number]['backends']>} patches */
function appliedBackends(backends, patches) {
  const known = new Map(backends.map((backend) => [backend.backend, backend]))
  let others = false
  for (const patch of patches) {
    const before = known.get(patch.backend)
    others ||= before === undefined || patch.gone === true
    if (patch.gone) known.delete(patch.backend)
    else known.set(patch.backend, patched(before ?? /** @type {BackendReport} */ ({ backend: patch.backend }), patch))
  }
  return others ? [...known.values()].sort(byBackend) : [...known.values()]
}

/** @template {object} T @param {T} value @param {{ set?: object, unset?: readonly string[] }} patch @returns {T} */
function patched(value, { set, unset = [] }) {
  const next = { ...value, ...set }
  for (const name of unset) Reflect.deleteProperty(next, name)
  return next
}
