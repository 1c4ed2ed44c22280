import type { HealthEntry } from './health-entry.ts'

/** The keys of service meta that hold a weight. Consul itself takes letters, digits, `-` and `_`; the first that is there counts. */
const META_KEYS = ['pointsman-weight', 'pointsman_weight', 'pointsman.weight']

const TAG_PREFIX = 'pointsman.weight='

export interface WeightReading {
  /** 0–65535; absent where nothing usable is said. */
  readonly weight?: number
  /** What was said and is no weight: `meta pointsman-weight "ten" is not a weight`. */
  readonly problems: readonly string[]
}

/**
 * The weight of an instance: service meta, then a tag, then Consul's own weights, which differ for warning. What is no
 * weight is passed over and told.
 */
export function weightOf({ Service: { Meta, Tags, Weights } }: HealthEntry, warning: boolean): WeightReading {
  const problems: string[] = []
  for (const { from, text } of said(Meta ?? {}, Tags ?? [])) {
    const weight = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
    if (weight <= 65535) return { weight, problems }
    problems.push(`${from} ${JSON.stringify(text.slice(0, 60))} is not a weight from 0 to 65535`)
  }
  const key = warning ? 'Warning' : 'Passing'
  const own = Weights?.[key]
  if (own === undefined) return { problems }
  if (Number.isInteger(own) && (own as number) >= 0 && (own as number) <= 65535) return { weight: own as number, problems }
  return { problems: [...problems, `Weights.${key} ${shown(own)} is not a weight from 0 to 65535`] }
}

/** JSON may be nested deeper than can be written. */
function shown(own: unknown): string {
  if (Array.isArray(own)) return '(a list)'
  return typeof own === 'object' && own !== null ? '(a mapping)' : JSON.stringify(own).slice(0, 60)
}

function said(meta: Readonly<Record<string, string>>, tags: readonly string[]) {
  const key = META_KEYS.find((candidate) => meta[candidate] !== undefined)
  const tag = tags.find((candidate) => candidate.startsWith(TAG_PREFIX))
  return [
    ...(key === undefined ? [] : [{ from: `meta ${key}`, text: (meta[key] ?? '').trim() }]),
    ...(tag === undefined ? [] : [{ from: `tag ${TAG_PREFIX.slice(0, -1)}`, text: tag.slice(TAG_PREFIX.length).trim() }]),
  ]
}
