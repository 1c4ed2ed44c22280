import type { Document } from '../document/document.ts'
import { formatIssue, type Issue } from '../document/issue.ts'
import { accepted } from '../document/reading.ts'
import { type Interpretation, interpret, jsonSchemaOf, mapping } from '../document/schema.ts'
import { nearest } from '../document/suggest.ts'
import { type CatalogService, type CatalogSpec, catalogServiceName, type Words } from '../model/catalog-spec.ts'
import type { ConsulSourceSpec } from '../model/consul-source-spec.ts'
import type { ServiceSpec } from '../model/service-spec.ts'
import { buildService } from './build-service.ts'
import type { Draft } from './draft.ts'
import { Findings } from './findings.ts'
import { flatKeys, unflatten } from './flat-keys.ts'
import { timingKeys } from './health-check-schema.ts'
import { defaultsSchema, serviceSchema, type WrittenDefaults } from './service-schema.ts'
import { warnOfServices } from './service-warnings.ts'

/**
 * What an operator alone may say, and the weight, which every instance says for itself. Of health checks a registry says when
 * they are asked, not what: it could name programs, files and other hosts.
 */
const {
  adopt: _,
  traffic_log: __,
  weight: ___,
  health_check: ____,
  health_checks: _____,
  virtual_address: ______,
  ...inherited
} = defaultsSchema.shape
const health_check = mapping(timingKeys, 'How backends are probed.')

/** What a service of a registry may say of itself; the grammars are those of the configuration. */
const CLAIM_KEYS = flatKeys(jsonSchemaOf(mapping({ listen: serviceSchema.shape.listen, ...inherited, health_check }, 'A claim.')))

/** Keys as people write them: `listen`, `drain.timeout`. */
export const CLAIMABLE = [...CLAIM_KEYS.values()].map(({ path }) => path.join('.'))

/** The virtual service that a claim stands for, with what is accepted and has no effect; or one sentence that says what is wrong. */
export type ClaimReading =
  | { readonly ok: true; readonly spec: ServiceSpec; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problem: string }

/** Reads what the instances of a service say as a service of the configuration with the same words would be read. */
export function readClaim(catalog: CatalogSpec, claimant: CatalogService, words: Words): ClaimReading {
  const document = documentOf(claimant)
  const unknown = Object.keys(words).filter((word) => !CLAIM_KEYS.has(word))
  const [first] = unknown
  if (first !== undefined) {
    const meant = nearest(first, CLAIMABLE)
    return {
      ok: false,
      problem: `the key ${first} cannot be said here; ${meant === undefined ? 'remove it' : `did you mean ${meant}?`}`,
    }
  }
  if (words['listen'] === undefined) {
    const { prefix } = catalog
    return { ok: false, problem: `it does not say where to listen; register it with ${prefix}-listen or ${prefix}.listen` }
  }
  const raw = unflatten(words, CLAIM_KEYS)
  if (!raw.ok) return { ok: false, problem: `${raw.problem}; ${raw.remedy}` }
  const findings = new Findings(document)
  const { value: own, issues, unreadable } = interpret(serviceSchema, raw.value, document, [])
  findings.issues.push(...issues)
  const source: ConsulSourceSpec = instancesOf(catalog, claimant)
  const draft: Draft = {
    document,
    directory: catalog.directory,
    path: [],
    raw: raw.value,
    own: { ...own, name: catalogServiceName(claimant), source: { toSpec: () => accepted(source) } },
    unreadable,
    defaults: defaultsOf(catalog),
  }
  const built = buildService(draft, findings)
  const [issue] = findings.issues
  if (issue !== undefined || built.spec === undefined) return { ok: false, problem: sentence(issue) }
  warnOfServices([built], findings)
  return { ok: true, spec: built.spec, warnings: findings.warnings.map(sentence) }
}

/** How the instances of a service are asked for. */
export function instancesOf({ instances }: CatalogSpec, { namespace, service }: CatalogService): ConsulSourceSpec {
  return { ...instances, ...(namespace !== undefined && { namespace }), service }
}

const defaultsRead = new WeakMap<CatalogSpec, Interpretation<WrittenDefaults>>()

function defaultsOf(catalog: CatalogSpec): Interpretation<WrittenDefaults> {
  const known = defaultsRead.get(catalog)
  if (known !== undefined) return known
  const read = interpret(defaultsSchema, catalog.defaults, documentOf({ catalog: catalog.name, service: 'any' }), ['defaults'])
  defaultsRead.set(catalog, read)
  return read
}

/** There is no text to point at. */
function documentOf(claimant: CatalogService): Document {
  const file = `service ${catalogServiceName(claimant)} of ${claimant.catalog}`
  return { file, value: undefined, locate: () => ({ line: 1, column: 1 }), lineText: () => '' }
}

/** `scheduler: "wrrr" is not known; did you mean wrr?` */
function sentence(issue: Issue | undefined): string {
  if (issue === undefined) return 'it cannot be read; correct what it says'
  const { line: _, ...placeless } = issue
  return formatIssue(placeless).slice(issue.file.length + 2)
}
