import type { Document } from '../document/document.ts'
import { parseDocument } from '../document/parse.ts'
import { show } from '../document/reading.ts'
import { interpret, unknownKeyRemedy } from '../document/schema.ts'
import { standsFor } from '../document/suggest.ts'
import { type BuiltService, buildService } from './build-service.ts'
import { readCatalogs } from './catalogs.ts'
import type { LoadResult, Overrides } from './configuration.ts'
import { type Draft, directoryOf } from './draft.ts'
import { findDuplicates } from './duplicates.ts'
import { Findings, inOrder } from './findings.ts'
import { readGlobal } from './global.ts'
import { defaultsSchema, serviceSchema } from './service-schema.ts'
import { checkMixedFamilies, warnOfServices } from './service-warnings.ts'
import { checkVirtualAddresses } from './virtual-address.ts'

const TOP_KEYS = ['global', 'defaults', 'services', 'catalog']

/**
 * Reads a whole configuration: settings, services and what belongs to IPVS as a whole. Pure: the same bytes and
 * overrides give the same answer, nothing is read from disk. Never throws for bad input; all problems come at once.
 * `path` appears in every message, and relative paths in the file are taken from its directory (from the working
 * directory where it is `-`).
 */
export function loadConfiguration(
  source: { readonly path: string; readonly bytes: Uint8Array },
  overrides: Overrides = {},
): LoadResult {
  const parsed = parseDocument(source.bytes, { path: source.path })
  if (!parsed.ok) return parsed
  const { document } = parsed
  const findings = new Findings(document)
  const top = readTop(document, findings)
  const global = readGlobal(document, top['global'], overrides, findings)
  const services = readServices(document, top, findings)
  const catalogs = readCatalogs(document, top, findings)
  checkMixedFamilies(services, global.ipvs, findings)
  checkVirtualAddresses(services, findings)
  warnOfServices(services, findings)
  if (findings.issues.length > 0) return { ok: false, issues: inOrder(findings.issues) }
  const specs = services.flatMap(({ spec }) => (spec === undefined ? [] : [spec]))
  return {
    ok: true,
    configuration: { path: source.path, ...global, services: specs, catalogs },
    warnings: inOrder(findings.warnings),
  }
}

function readTop(document: Document, findings: Findings): Readonly<Record<string, unknown>> {
  const { value } = document
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    findings.refuse([], `${show(value)} stands where a configuration is due`, 'write the keys global, defaults and services')
    return {}
  }
  for (const key of Object.keys(value)) {
    if (!TOP_KEYS.includes(key))
      findings.refuse([key], `the key ${key} is not known here`, unknownKeyRemedy(key, TOP_KEYS), 'key')
  }
  const top = value as Readonly<Record<string, unknown>>
  if (top['services'] === undefined && standsFor(Object.keys(value), 'services')) return top
  if (top['services'] === undefined)
    findings.refuse([], 'the key services is missing', 'write services: with a list of services, or services: [] for none')
  else if (!Array.isArray(top['services'])) {
    const what = top['services'] === null ? 'nothing is written here' : `${show(top['services'])} stands where a list is due`
    findings.refuse(['services'], what, 'write a list of services, or [] for none')
  }
  return top
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
    const draft: Draft = { document, directory: directoryOf(document), path, raw, own, unreadable, defaults }
    return [buildService(draft, findings)]
  })
  findDuplicates(services, findings)
  return services
}
