import { formatPath, type Path } from './document.ts'
import type { Issue } from './issue.ts'
import { accepted, type Misreading, type Reading, refused, show } from './reading.ts'
import { unknownKeyRemedy } from './schema.ts'

/** What is wrong with an entry; `path` is the key that it is about. */
export type Fault = Pick<Issue, 'path' | 'problem' | 'remedy'>

/** One would-be member of an endpoint list, in our own format whatever format it came in. */
export interface Entry {
  readonly written: unknown
  /** Why the entry cannot be used whatever `written` says: its group is wrong. */
  readonly groupFault?: Fault
  /** Where a key of `written` stands in the answer: `[3].targets[0]`; the empty key is the entry itself. */
  placeOf(key: string): string
}

/** Version of our own format that this program reads. */
export const VERSION = 1

/** Entries of one list above which it is refused. */
export const MAX_ENTRIES = 100_000

/** Labels of a Prometheus target group that say what a group has no key for. They are taken out of the meta. */
export const LABEL_PREFIX = '__meta_pointsman_'
export const LABELLED = ['weight', 'priority', 'state', 'forwarding', 'upper_threshold', 'lower_threshold'] as const
const NUMERIC: ReadonlySet<string> = new Set(['weight', 'priority', 'upper_threshold', 'lower_threshold'])

const REMEDY = 'answer with a list: [{"targets": ["10.0.1.1:8080"]}], or ["10.0.1.1:8080"], or [] for none'

/**
 * The entries of an answer: a list of target groups (Prometheus HTTP SD), a list of backends, both mixed, or an object with
 * the keys `version` and `backends`.
 */
export function entriesOf(value: unknown): Reading<readonly Entry[]> {
  if (Array.isArray(value)) return accepted(listed(value, []))
  if (typeof value !== 'object' || value === null) return refused(`${show(value)} stands where a list is due`, REMEDY)
  const { version = VERSION, backends, ...others } = value as Record<string, unknown>
  if (version !== VERSION) return refused(`version ${show(version)} of the format is not known`, `answer with version ${VERSION}`)
  const [unknown] = Object.keys(others)
  if (unknown !== undefined)
    return refused(`the key ${show(unknown)} is not known here`, unknownKeyRemedy(unknown, ['version', 'backends']))
  if (!Array.isArray(backends)) return refused('the answer has no list behind the key backends', REMEDY)
  return accepted(listed(backends, ['backends']))
}

function listed(items: readonly unknown[], at: Path): Entry[] {
  return items.flatMap((item, index): Entry[] => {
    const path = [...at, index]
    if (isGroup(item)) return grouped(item, path)
    return [{ written: item, placeOf: (key) => placeIn(path, typeof item === 'string' ? '' : key) }]
  })
}

interface Group {
  readonly targets: unknown
  readonly labels?: unknown
}

function isGroup(item: unknown): item is Group {
  return typeof item === 'object' && item !== null && 'targets' in item
}

/** A group is one entry for each target: one bad target does not spoil the others, bad labels spoil all. */
function grouped({ targets, labels }: Group, path: Path): Entry[] {
  const spread = spreadLabels(labels)
  const place = (index: number) => (key: string) => {
    if (key === '' || key === 'address') return placeIn(path, `targets[${index}]`)
    return placeIn(path, key.startsWith('meta') ? 'labels' : `labels.${LABEL_PREFIX}${key}`)
  }
  const groupFault = spread.ok ? undefined : { path: 'meta', problem: spread.problem, remedy: spread.remedy }
  if (!Array.isArray(targets)) {
    const problem = `${show(targets)} stands where the list of targets is due`
    const fault = { path: '', problem, remedy: 'write "targets": ["10.0.1.1:8080"]' }
    return [{ written: undefined, groupFault: fault, placeOf: () => placeIn(path, 'targets') }]
  }
  const facts = spread.ok ? spread.value : {}
  return targets.map((target, index) => ({
    written: { ...facts, address: target },
    ...(groupFault !== undefined && { groupFault }),
    placeOf: place(index),
  }))
}

function spreadLabels(labels: unknown): Reading<Readonly<Record<string, unknown>>> {
  if (labels === undefined || labels === null) return accepted({})
  if (typeof labels !== 'object' || Array.isArray(labels))
    return refused(`${show(labels)} stands where labels are due`, 'write "labels": {"zone": "a"}')
  const meta: [string, unknown][] = []
  const own: Record<string, unknown> = {}
  for (const [name, text] of Object.entries(labels)) {
    if (!name.startsWith(LABEL_PREFIX)) {
      meta.push([name, text])
      continue
    }
    const key = name.slice(LABEL_PREFIX.length)
    const fault = labelFault(key, text)
    if (fault !== undefined) return fault
    own[key] = NUMERIC.has(key) ? Number(text) : text
  }
  return accepted({ ...own, meta: Object.fromEntries(meta) })
}

function labelFault(key: string, text: unknown): Misreading | undefined {
  const name = `${LABEL_PREFIX}${key}`
  if (!LABELLED.some((known) => known === key))
    return refused(
      `the label ${name} is not known`,
      unknownKeyRemedy(
        name,
        LABELLED.map((known) => `${LABEL_PREFIX}${known}`),
      ),
    )
  if (typeof text !== 'string') return refused(`the label ${name} is ${show(text)} and not text`, 'put it in quotes')
  if (NUMERIC.has(key) && !/^\d{1,10}$/.test(text))
    return refused(`the label ${name} is ${show(text)} and not a number`, 'write a whole number in quotes, such as "5"')
  return undefined
}

function placeIn(path: Path, key: string): string {
  return `${formatPath(path)}${key === '' || key.startsWith('[') ? '' : '.'}${key}`
}
