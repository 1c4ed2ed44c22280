import { isDeepStrictEqual } from 'node:util'
import type { ServiceSpec } from '../model/service-spec.ts'

/** What a source's answer can never depend on. When anything else changes, its source is opened anew and asked again. */
const WITHOUT_EFFECT_ON_SOURCES: ReadonlySet<string> = new Set<keyof ServiceSpec>([
  'name',
  'sources',
  'backends',
  'scheduler',
  'flags',
  'onePacket',
  'weight',
  'debounce',
  'guard',
  'hold',
  'drainTimeout',
  'adopt',
  'checks',
  'policy',
])

/** Whether a source answers alike under both. */
export function sameContext(a: ServiceSpec, b: ServiceSpec): boolean {
  const context = (spec: ServiceSpec) => Object.entries(spec).filter(([name]) => !WITHOUT_EFFECT_ON_SOURCES.has(name))
  return isDeepStrictEqual(new Map(context(a)), new Map(context(b)))
}
