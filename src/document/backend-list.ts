import type { Backend } from '../model/backend.ts'
import { type DestinationKey, destinationKey } from '../model/destination.ts'
import { type BackendContext, checkBackend } from './backend-rules.ts'
import { backendSchema, toBackend, type WrittenBackend } from './backend-schema.ts'
import { type Document, issueAt, type Path } from './document.ts'
import type { Issue } from './issue.ts'
import { parseDocument } from './parse.ts'
import { show } from './reading.ts'
import { interpret, unknownKeyRemedy } from './schema.ts'
import { standsFor } from './suggest.ts'

export type { BackendContext } from './backend-rules.ts'

export type BackendListResult =
  | { readonly ok: true; readonly backends: ReadonlyMap<DestinationKey, Backend>; readonly warnings: readonly Issue[] }
  | { readonly ok: false; readonly issues: readonly Issue[] }

/**
 * Reads the list of a `file` source: YAML or JSON; a list of `ip:port` texts or of objects like inline backends, or an
 * object with the key `backends`. `[]` is a valid answer and means no backend; an empty file is not (half-written).
 * Every entry is checked against its service as inline backends are. Pure; never throws for bad input.
 */
export function parseBackendList(
  source: { readonly path: string; readonly bytes: Uint8Array },
  service: BackendContext,
): BackendListResult {
  const parsed = parseDocument(source.bytes, { path: source.path })
  if (!parsed.ok) return parsed
  const { document } = parsed
  const list = findList(document)
  if ('issue' in list) return { ok: false, issues: [list.issue] }
  const read = readBackends(document, list.items, list.path, service)
  if (read.issues.length > 0) return { ok: false, issues: read.issues }
  return { ok: true, backends: read.backends, warnings: read.warnings }
}

export interface BackendsRead {
  readonly backends: ReadonlyMap<DestinationKey, Backend>
  readonly issues: readonly Issue[]
  readonly warnings: readonly Issue[]
}

/**
 * Reads a list that stands at `at` in a document. Without a service (because the service itself could not be read)
 * only what concerns each entry alone is checked.
 */
export function readBackends(
  document: Document,
  items: readonly unknown[],
  at: Path,
  service: BackendContext | undefined,
): BackendsRead {
  const backends = new Map<DestinationKey, Backend>()
  const firstAt = new Map<DestinationKey, number>()
  const issues: Issue[] = []
  const warnings: Issue[] = []
  for (const [index, raw] of items.entries()) {
    const path = [...at, index]
    const read = interpret(backendSchema, raw, document, path)
    issues.push(...read.issues)
    if (!isAddressed(read.value)) {
      if (read.value !== undefined && !standsFor(read.unreadable, 'address')) {
        issues.push(issueAt(document, path, 'value', 'the backend has no address', 'write address: 10.0.1.1:8080'))
      }
      continue
    }
    const backend = toBackend(read.value)
    const key = destinationKey(backend)
    const twin = firstAt.get(key)
    if (twin !== undefined) {
      const problem = `${key} is listed twice, first on line ${document.locate([...at, twin], 'value').line}`
      issues.push(issueAt(document, addressPath(raw, path), 'value', problem, 'keep one of the two'))
      continue
    }
    firstAt.set(key, index)
    backends.set(key, backend)
    if (service === undefined) continue
    for (const { severity, key: about, problem, remedy } of checkBackend(backend, service)) {
      const where = about === 'address' ? addressPath(raw, path) : [...path, about]
      ;(severity === 'error' ? issues : warnings).push(issueAt(document, where, 'value', problem, remedy))
    }
  }
  return { backends, issues, warnings }
}

function isAddressed(written: WrittenBackend | undefined): written is WrittenBackend &
  Required<Pick<WrittenBackend, 'address'>> & {
    readonly address: NonNullable<WrittenBackend['address']>
  } {
  return written?.address !== undefined
}

function addressPath(raw: unknown, path: Path): Path {
  return typeof raw === 'string' ? path : [...path, 'address']
}

function findList(document: Document): { readonly items: readonly unknown[]; readonly path: Path } | { readonly issue: Issue } {
  const { value } = document
  if (Array.isArray(value)) return { items: value, path: [] }
  const remedy = 'write a list of backends, such as - 10.0.1.1:8080; write [] for none'
  if (typeof value !== 'object' || value === null) {
    return { issue: issueAt(document, [], 'value', `${show(value)} stands where a list of backends is due`, remedy) }
  }
  for (const key of Object.keys(value)) {
    if (key === 'backends') continue
    return { issue: issueAt(document, [key], 'key', `the key ${key} is not known here`, unknownKeyRemedy(key, ['backends'])) }
  }
  const list: unknown = (value as { backends?: unknown }).backends
  if (Array.isArray(list)) return { items: list, path: ['backends'] }
  const problem =
    list === null || list === undefined ? 'no list of backends is written here' : `${show(list)} stands where a list is due`
  return { issue: issueAt(document, ['backends'], 'value', problem, remedy) }
}
