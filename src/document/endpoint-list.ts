import { type Backend, sameBackend } from '../model/backend.ts'
import { type DestinationKey, destinationKey } from '../model/destination.ts'
import { type BackendContext, checkBackend } from './backend-rules.ts'
import type { Document } from './document.ts'
import { type Entry, entriesOf, type Fault, MAX_ENTRIES } from './endpoint-entries.ts'
import type { Issue } from './issue.ts'
import { listedBackendSchema, toListedBackend } from './listed-backend.ts'
import { accepted, type Misreading, type Reading, refused } from './reading.ts'
import { interpret } from './schema.ts'

/** Warnings that are told one by one; what is beyond them is told as a number. */
const TOLD = 20

export type EndpointListResult =
  | {
      readonly ok: true
      readonly backends: ReadonlyMap<DestinationKey, Backend>
      readonly warnings: readonly Issue[]
      /** Entries that could not be used. */
      readonly quarantined: number
      /** Members that only such entries name: the list neither says what they are nor that they left. */
      readonly inDoubt: readonly DestinationKey[]
    }
  | { readonly ok: false; readonly issues: readonly Issue[] }

/**
 * Reads the list that an HTTP server gives: JSON in the format of Prometheus HTTP SD, or our own (docs/sources/http.md).
 * Every entry is checked against its service as inline backends are. One that cannot be used is left out with a warning;
 * a list of which nothing can be used is an issue and not an empty list. `[]` is an answer. Pure; never throws for bad input.
 */
export function parseEndpointList(
  source: { readonly path: string; readonly bytes: Uint8Array },
  service: BackendContext,
): EndpointListResult {
  const file = source.path
  const parsed = parseJson(source.bytes)
  const found = parsed.ok ? entriesOf(parsed.value) : parsed
  if (!found.ok) return { ok: false, issues: [{ file, path: '', problem: found.problem, remedy: found.remedy }] }
  const entries = found.value
  if (entries.length > MAX_ENTRIES) {
    const problem = `the list has ${entries.length} entries`
    return { ok: false, issues: [{ file, path: '', problem, remedy: `answer with at most ${MAX_ENTRIES}` }] }
  }
  const reader = new EntryReader(file, service)
  for (const entry of entries) reader.read(entry)
  return reader.result(entries.length)
}

const NO_ADDRESS: Fault = { path: '', problem: 'the entry has no address', remedy: 'write {"address": "10.0.1.1:8080"}' }

class EntryReader {
  readonly #file: string
  readonly #service: BackendContext
  readonly #backends = new Map<DestinationKey, Backend>()
  readonly #firstAt = new Map<DestinationKey, Entry>()
  readonly #inDoubt = new Set<DestinationKey>()
  readonly #warnings: Issue[] = []
  #quarantined = 0

  constructor(file: string, service: BackendContext) {
    this.#file = file
    this.#service = service
  }

  read(entry: Entry): void {
    const { groupFault } = entry
    const read = interpret(listedBackendSchema, entry.written, placeless(this.#file, entry.written), [])
    const address = read.value?.address
    if (read.value === undefined || address === undefined) {
      this.#quarantine(entry, [groupFault ?? read.issues[0] ?? NO_ADDRESS])
      return
    }
    const key = destinationKey(address)
    const backend = toListedBackend({ ...read.value, address })
    const mismatches = checkBackend(backend, this.#service).map((each) => ({ ...each, path: each.key }))
    const faults = [
      ...(groupFault === undefined ? read.issues : [groupFault]),
      ...mismatches.filter(({ severity }) => severity === 'error'),
    ]
    if (faults.length > 0) this.#quarantine(entry, faults, key)
    else if (this.#isFirst(entry, key, backend)) {
      this.#backends.set(key, backend)
      this.#firstAt.set(key, entry)
      for (const { path, problem, remedy } of mismatches) this.#warn(entry, path, `${key}: ${problem}`, remedy)
    }
  }

  result(entries: number): EndpointListResult {
    const more = this.#warnings.length - TOLD
    const warnings = this.#warnings.slice(0, TOLD)
    if (entries > 0 && this.#backends.size === 0) return { ok: false, issues: this.#warnings }
    if (more > 0) {
      const problem = `${more} more ${more === 1 ? 'warning' : 'warnings'} about this list`
      warnings.push({ file: this.#file, path: '', problem, remedy: 'correct those above first' })
    }
    const inDoubt = [...this.#inDoubt].filter((key) => !this.#backends.has(key))
    return { ok: true, backends: this.#backends, warnings, quarantined: this.#quarantined, inDoubt }
  }

  /** Saying the same again is harmless (groups may overlap); saying otherwise is not. */
  #isFirst(entry: Entry, key: DestinationKey, backend: Backend): boolean {
    const first = this.#backends.get(key)
    if (first === undefined) return true
    if (!sameBackend(first, backend)) {
      const where = this.#firstAt.get(key)?.placeOf('')
      const problem = `${key} is listed twice with different facts, first at ${where}`
      this.#quarantine(entry, [{ path: 'address', problem, remedy: 'keep one of the two' }])
    }
    return false
  }

  #quarantine(entry: Entry, faults: readonly Fault[], key?: DestinationKey): void {
    this.#quarantined++
    if (key !== undefined) this.#inDoubt.add(key)
    for (const { path, problem, remedy } of faults) {
      const about = key === undefined || path === 'address' ? problem : `${key}: ${problem}`
      this.#warn(entry, path, `${about} (this entry is not used)`, remedy)
    }
  }

  #warn(entry: Entry, path: string, problem: string, remedy: string): void {
    this.#warnings.push({ file: this.#file, path: entry.placeOf(path), problem, remedy })
  }
}

/** Lines and columns of what a machine wrote help nobody, and finding them takes a second for each megabyte. */
function placeless(file: string, value: unknown): Document {
  return { file, value, locate: () => ({ line: 1, column: 1 }), lineText: () => '' }
}

const NOT_JSON = 'answer with JSON in UTF-8, and with [] for no backends'

/** Why an answer is no list, as far as its two ends tell: a page of HTML, half a list, nothing at all. */
export function cannotBeList(bytes: Uint8Array): Misreading | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const head = text.toString('utf8', 0, ENDS).trimStart()
  const tail = text.toString('utf8', Math.max(0, text.length - ENDS)).trimEnd()
  if (head === '' && tail === '') return refused('the answer is empty', NOT_JSON)
  return /^[^[{]/.test(head) || /[^\]}]$/.test(tail) ? notJson(bytes) : undefined
}

/** Bytes of each end. */
const ENDS = 256

function parseJson(bytes: Uint8Array): Reading<unknown> {
  try {
    return accepted(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
  } catch {
    return cannotBeList(bytes) ?? notJson(bytes)
  }
}

/** Enough to tell a login page from half a list. */
function notJson(bytes: Uint8Array): Misreading {
  const text = new TextDecoder().decode(bytes).trim()
  const shown =
    text.length <= 60
      ? `is ${JSON.stringify(text)}`
      : `begins ${JSON.stringify(text.slice(0, 30))} and ends ${JSON.stringify(text.slice(-30))}`
  return refused(`the answer is not JSON in UTF-8; it ${shown}`, NOT_JSON)
}
