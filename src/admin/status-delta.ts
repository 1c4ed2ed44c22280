import type { Pace } from './pace.ts'
import type { BackendReport, ChangeReport, ServiceReport, StatusReport } from './status-schema.ts'

/** Fields that became different, and fields that are there no longer. */
interface Patch {
  readonly set?: Readonly<Record<string, unknown>>
  readonly unset?: readonly string[]
}

/** A backend or a service by its name; all of it where it is new. */
export type BackendPatch = Patch & { readonly backend: string; readonly gone?: true }
export type ServicePatch = Patch & { readonly key: string; readonly gone?: true; readonly backends?: readonly BackendPatch[] }

/** What became different from one report to the next. */
export interface StatusDelta {
  readonly head?: Patch
  readonly services?: readonly ServicePatch[]
  /** Those that are new; the oldest are forgotten by whoever shows them. */
  readonly changes?: readonly ChangeReport[]
}

/** Undefined: only time has passed. */
export async function statusDelta(before: StatusReport, after: StatusReport, pace: Pace): Promise<StatusDelta | undefined> {
  const head = patchOf(before, after, ['at', 'services', 'changes'])
  const services: ServicePatch[] = []
  const known = new Map(before.services.map((service) => [service.key, service]))
  for (const service of after.services) {
    const patch = await servicePatch(known.get(service.key), service, pace)
    if (patch !== undefined) services.push(patch)
    known.delete(service.key)
  }
  for (const key of known.keys()) services.push({ key, gone: true })
  const newest = before.changes.at(-1)?.id ?? -1
  const changes = after.changes.filter(({ id }) => id > newest)
  if (head === undefined && services.length === 0 && changes.length === 0) return undefined
  return {
    ...(head !== undefined && { head }),
    ...(services.length > 0 && { services }),
    ...(changes.length > 0 && { changes }),
  }
}

async function servicePatch(
  before: ServiceReport | undefined,
  after: ServiceReport,
  pace: Pace,
): Promise<ServicePatch | undefined> {
  const patch = patchOf(before ?? {}, after, ['key', 'backends'])
  const backends: BackendPatch[] = []
  const known = new Map(before?.backends.map((backend) => [backend.backend, backend]))
  for (const backend of after.backends) {
    const changed = backendPatch(known.get(backend.backend), backend)
    if (changed !== undefined) backends.push(changed)
    known.delete(backend.backend)
    if (pace.due()) await pace.rest()
  }
  for (const backend of known.keys()) backends.push({ backend, gone: true })
  if (patch === undefined && backends.length === 0) return undefined
  return { key: after.key, ...patch, ...(backends.length > 0 && { backends }) }
}

function backendPatch(before: BackendReport | undefined, after: BackendReport): BackendPatch | undefined {
  const patch = patchOf(before ?? {}, after, ['backend'])
  return patch && { backend: after.backend, ...patch }
}

function patchOf(before: object, after: object, except: readonly string[]): Patch | undefined {
  const old = before as Readonly<Record<string, unknown>>
  const set: Record<string, unknown> = {}
  let differs = false
  for (const [name, value] of Object.entries(after)) {
    if (except.includes(name) || same(old[name], value)) continue
    set[name] = value
    differs = true
  }
  const unset = Object.keys(old).filter((name) => !(name in after))
  if (!differs && unset.length === 0) return undefined
  return { ...(differs && { set }), ...(unset.length > 0 && { unset }) }
}

/** Whether two values of JSON say the same. */
function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const [keys, others] = [Object.keys(a), Object.keys(b)]
  if (keys.length !== others.length) return false
  return keys.every((key) => key in b && same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
}
