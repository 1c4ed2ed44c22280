import type { Document } from '../document/document.ts'
import { parseDocument } from '../document/parse.ts'
import { hint, isMapping } from '../document/reading.ts'
import { interpret, unknownKeyRemedy } from '../document/schema.ts'
import { standsFor } from '../document/suggest.ts'
import { type BuiltService, buildService } from './build-service.ts'
import { readCatalogs } from './catalogs.ts'
import type { LoadResult, Overrides } from './configuration.ts'
import { type Draft, directoryOf } from './draft.ts'
import { findDuplicates } from './duplicates.ts'
import { Findings, inOrder } from './findings.ts'
import { readGlobal } from './global.ts'
import { joinDocuments } from './joined.ts'
import { NOWHERE, resolveFiles } from './parameters/in-files.ts'
import type { Surroundings } from './parameters/lookup.ts'
import { defaultsSchema, serviceSchema } from './service-schema.ts'
import { checkMixedFamilies, warnOfServices } from './service-warnings.ts'
import { checkVirtualAddresses } from './virtual-address.ts'

const TOP_KEYS = ['global', 'defaults', 'parameters', 'include', 'services', 'catalog']

/** What files that are included may hold. */
const INCLUDED_KEYS = ['include', 'services', 'catalog']

/**
 * Reads a whole configuration: settings, services and what belongs to IPVS as a whole. Pure: the same bytes and
 * overrides give the same answer, nothing is read from disk. Never throws for bad input; all problems come at once.
 * `path` appears in every message, and relative paths in the file are taken from its directory (from the working
 * directory where it is `-`). What needs more than these bytes (`include`, `parameters`, `${host.eth0}`) is for `loadFrom`.
 */
export function loadConfiguration(
  source: { readonly path: string; readonly bytes: Uint8Array },
  overrides: Overrides = {},
): LoadResult {
  const parsed = parseDocument(source.bytes, { path: source.path })
  if (!parsed.ok) return parsed
  const { document } = parsed
  const findings = new Findings(document)
  for (const key of ['include', 'parameters'])
    if (hasKey(document, key)) findings.refuse([key], 'no other files are read here', 'put everything into this file', 'key')
  if (findings.issues.length > 0) return { ok: false, issues: findings.issues }
  return understand([document], { ...NOWHERE, environment: overrides.environment ?? {} }, overrides)
}

function hasKey({ value }: Document, key: string): boolean {
  return isMapping(value) && Object.hasOwn(value, key)
}

/** Makes one configuration of the files that it consists of, the first one first. */
export function understand(
  documents: readonly [Document, ...Document[]],
  surroundings: Surroundings,
  overrides: Overrides,
): LoadResult {
  const { files, issues } = resolveFiles(documents, surroundings)
  const document = joinDocuments(files)
  const findings = new Findings(document)
  findings.issues.push(...issues)
  const top = readTop(documents[0], findings) ? (document.value as Readonly<Record<string, unknown>>) : {}
  for (const included of documents.slice(1)) checkIncluded(included, findings)
  const order = documents.map(({ file }) => file)
  // What could not be put in place of a parameter would be complained about a second time.
  if (issues.length > 0) return { ok: false, issues: inOrder(findings.issues, order) }
  const global = readGlobal(document, top['global'], overrides, findings)
  const services = readServices(document, top, findings)
  const catalogs = readCatalogs(document, top, findings)
  checkMixedFamilies(services, global.ipvs, findings)
  checkVirtualAddresses(services, findings)
  warnOfServices(services, findings)
  if (findings.issues.length > 0) return { ok: false, issues: inOrder(findings.issues, order) }
  const specs = services.flatMap(({ spec }) => (spec === undefined ? [] : [spec]))
  return {
    ok: true,
    configuration: { path: document.file, ...global, services: specs, catalogs },
    warnings: inOrder(findings.warnings, order),
  }
}

/** Whether the first file is a mapping. */
function readTop(document: Document, findings: Findings): boolean {
  const { value } = document
  if (!isMapping(value)) {
    findings.refuse([], `${hint(value)} stands where a configuration is due`, 'write the keys global, defaults and services')
    return false
  }
  for (const key of Object.keys(value)) {
    if (!TOP_KEYS.includes(key))
      findings.refuse([key], `the key ${key} is not known here`, unknownKeyRemedy(key, TOP_KEYS), 'key')
  }
  if (value['services'] === undefined) {
    if (standsFor(Object.keys(value), 'services') || value['include'] !== undefined) return true
    findings.refuse([], 'the key services is missing', 'write services: with a list of services, or services: [] for none')
  } else checkList(document, 'services', value['services'], findings)
  return true
}

function checkIncluded(document: Document, findings: Findings): void {
  const own = findings.of(document)
  const { value } = document
  if (!isMapping(value)) {
    own.refuse([], `${hint(value)} stands where services are due`, 'write services: with a list of services, or services: []')
    return
  }
  for (const key of Object.keys(value)) {
    if (INCLUDED_KEYS.includes(key)) continue
    if (TOP_KEYS.includes(key))
      own.refuse([key], `${key} cannot stand in a file that is included`, 'move it to the file that includes the others', 'key')
    else own.refuse([key], `the key ${key} is not known here`, unknownKeyRemedy(key, INCLUDED_KEYS), 'key')
  }
  if (value['services'] !== undefined) checkList(document, 'services', value['services'], own)
  if (value['catalog'] !== undefined && !Array.isArray(value['catalog']))
    own.refuse(['catalog'], `${hint(value['catalog'])} stands where a list is due`, 'write a list of registries')
}

function checkList(document: Document, key: string, list: unknown, findings: Findings): void {
  if (Array.isArray(list)) return
  const what = list === null ? 'nothing is written here' : `${hint(list)} stands where a list is due`
  findings.of(document).refuse([key], what, 'write a list of services, or [] for none')
}

function readServices(document: Document, top: Readonly<Record<string, unknown>>, findings: Findings): BuiltService[] {
  const defaults = interpret(defaultsSchema, top['defaults'] ?? {}, document, ['defaults'])
  findings.issues.push(...defaults.issues)
  const list = Array.isArray(top['services']) ? (top['services'] as unknown[]) : []
  const services = list.flatMap((raw, index): BuiltService[] => {
    const path = ['services', index]
    const { value: own, issues, unreadable } = interpret(serviceSchema, raw, document, path)
    findings.issues.push(...issues)
    if (own === undefined) return []
    const draft: Draft = { document, directory: directoryOf(document, path), path, raw, own, unreadable, defaults }
    return [buildService(draft, findings)]
  })
  findDuplicates(services, findings)
  return services
}
