import type { Document, Path } from '../document/document.ts'
import { hint } from '../document/reading.ts'
import { interpret } from '../document/schema.ts'
import type { AllowRule, CatalogSpec } from '../model/catalog-spec.ts'
import type { ConsulSourceSpec } from '../model/consul-source-spec.ts'
import { catalogSchema, type WrittenCatalog } from './catalog-schema.ts'
import { directoryOf } from './draft.ts'
import type { Findings } from './findings.ts'
import { consulKind } from './source-kinds/consul.ts'

/** The registries whose services may claim virtual services, out of `catalog:`. */
export function readCatalogs(document: Document, top: Readonly<Record<string, unknown>>, findings: Findings): CatalogSpec[] {
  const raw = top['catalog'] ?? []
  if (!Array.isArray(raw)) {
    const problem = `${hint(raw)} stands where a list is due`
    findings.refuse(['catalog'], problem, 'write a list of registries, such as - consul: { address: http://127.0.0.1:8500 }')
    return []
  }
  const names = new Map<string, number>()
  return raw.flatMap((entry, index): CatalogSpec[] => {
    const path: Path = ['catalog', index]
    const { value, issues, unreadable } = interpret(catalogSchema, entry, document, path)
    findings.issues.push(...issues)
    if (value === undefined) return []
    const spec = readCatalog(value, unreadable, document, path, findings)
    if (spec === undefined) return []
    const count = (names.get(spec.name) ?? 0) + 1
    names.set(spec.name, count)
    return [
      {
        ...spec,
        name: count === 1 ? spec.name : `${spec.name} #${count}`,
        defaults: top['defaults'] ?? {},
        directory: directoryOf(document, path),
      },
    ]
  })
}

function readCatalog(
  { consul, allow }: WrittenCatalog,
  unreadable: ReadonlySet<string>,
  document: Document,
  path: Path,
  findings: Findings,
): Omit<CatalogSpec, 'defaults' | 'directory'> | undefined {
  if (consul === undefined) {
    if (!unreadable.has('consul'))
      findings.refuse(path, 'the catalog names no registry', 'write consul: { address: http://127.0.0.1:8500 }')
    return undefined
  }
  const { prefix = 'pointsman.', ...keys } = consul
  const reading = consulKind.toSpec({ ...keys, service: 'any' }, directoryOf(document, path))
  if (!reading.ok) {
    findings.refuse([...path, 'consul'], reading.problem.replace('consul source', 'catalog'), reading.remedy)
    return undefined
  }
  const { service: _, ...instances } = reading.value as ConsulSourceSpec
  if (allow === undefined && !unreadable.has('allow'))
    findings.warn(path, 'the catalog has no allow, so that nothing may be claimed', 'write allow: with who may claim what')
  const rules = (allow ?? []).flatMap((rule, index) => readRule(rule, [...path, 'allow', index], findings))
  return { name: nameOf(instances, prefix), instances, prefix: prefix.replace(/[._-]$/, ''), allow: rules }
}

function readRule(written: NonNullable<WrittenCatalog['allow']>[number], path: Path, findings: Findings): AllowRule[] {
  const { service, namespace, listen = [], protocols = ['tcp'] } = written
  if (service === undefined)
    findings.refuse(path, 'the permission names no service', 'write service: with a name, * for any text in it')
  if (listen.length === 0)
    findings.refuse(path, 'the permission names nothing to listen on', 'write listen: [10.0.0.0/24:80] or another range')
  if (protocols.length === 0)
    findings.refuse([...path, 'protocols'], 'no protocol is allowed', 'write [tcp], or remove protocols')
  if (service === undefined) return []
  return [{ service, ...(namespace !== undefined && { namespace }), listen, protocols }]
}

/** `consul`, `consul dc2 acme.`: what tells catalogs apart without the way to their agents. */
function nameOf({ datacenter, partition, namespace }: CatalogSpec['instances'], prefix: string): string {
  const more = [
    ...(datacenter === undefined ? [] : [datacenter]),
    ...(partition === undefined ? [] : [`partition ${partition}`]),
    ...(namespace === undefined ? [] : [`namespace ${namespace}`]),
    ...(prefix.replace(/[._-]$/, '') === 'pointsman' ? [] : [prefix]),
  ]
  return ['consul', ...more].join(' ')
}
