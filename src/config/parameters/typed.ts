import type { z } from 'zod'
import type { Path } from '../../document/document.ts'
import { catalogSchema } from '../catalog-schema.ts'
import { globalSchema } from '../global-schema.ts'
import { defaultsSchema, publishedServiceSchema } from '../service-schema.ts'
import type { Occurrence } from './in-tree.ts'

/** What stands at the top and has a schema of its own; of lists, each entry has. */
const SCHEMAS: Readonly<Record<string, z.ZodType>> = {
  global: globalSchema,
  defaults: defaultsSchema,
  services: publishedServiceSchema,
  catalog: catalogSchema,
}

/**
 * Parameters give texts, and some places want numbers or truths: `weight: ${env.WEIGHT}`. A text that was made of parameters, that is
 * refused where it stands and that reads as a number or a truth becomes one. Changes the copy that the resolving made.
 */
export function settleTypes(value: Readonly<Record<string, unknown>>, occurrences: readonly Occurrence[]): void {
  const sections = new Map<string, { readonly at: Path; readonly pending: Map<string, Occurrence> }>()
  for (const occurrence of occurrences) {
    if (typed(occurrence.text) === undefined) continue
    const [key, index] = occurrence.path
    const at = key === 'services' || key === 'catalog' ? occurrence.path.slice(0, 2) : occurrence.path.slice(0, 1)
    if (SCHEMAS[String(key)] === undefined || (at.length === 2 && typeof index !== 'number')) continue
    const name = JSON.stringify(at)
    const section = sections.get(name) ?? { at, pending: new Map<string, Occurrence>() }
    section.pending.set(JSON.stringify(occurrence.path), occurrence)
    sections.set(name, section)
  }
  for (const { at, pending } of sections.values()) settleSection(value, at, pending)
}

/** Checks between keys run only when each key is right, so that it takes several rounds. */
function settleSection(value: Readonly<Record<string, unknown>>, at: Path, pending: Map<string, Occurrence>): void {
  const schema = SCHEMAS[String(at[0])] as z.ZodType
  for (;;) {
    const result = schema.safeParse(valueAt(value, at))
    const refused = (result.error?.issues ?? []).map(({ path }) => JSON.stringify([...at, ...path]))
    const changing = [...new Set(refused)].flatMap((path) => pending.get(path) ?? [])
    if (changing.length === 0) return
    for (const { path, text } of changing) {
      pending.delete(JSON.stringify(path))
      const parent = valueAt(value, path.slice(0, -1)) as Record<string | number, unknown>
      parent[path.at(-1) as string | number] = typed(text)
    }
  }
}

function typed(text: string): number | boolean | undefined {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : undefined
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value
  for (const step of path) at = (at as Record<string | number, unknown> | undefined)?.[step]
  return at
}
