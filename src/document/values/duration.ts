import { accepted, type Grammar, type Reading, refused, show, wrongType } from '../reading.ts'

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }
const PART = /(\d+(?:\.\d+)?)(ms|h|m|s)/g
const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|h|m|s))+$/

const PATTERN = '^(\\d+(\\.\\d+)?(ms|h|m|s))+$'
const EXAMPLES = ['5s', '500ms', '1m30s']

export interface DurationRange {
  /** Milliseconds. */
  readonly min: number
  readonly max: number
  /** The kernel counts in seconds: fractions are refused. */
  readonly wholeSeconds?: boolean
}

/** Durations with their unit, `5s`, `500ms`, `1m30s`; the value is milliseconds. Plain `0` is taken where zero is in the range. */
export function duration(range: DurationRange): Grammar<number> {
  const remedy = `write a duration from ${formatDuration(range.min)} to ${formatDuration(range.max)}`
  return {
    jsonSchema:
      range.min === 0
        ? { anyOf: [{ type: 'string', pattern: `^0$|${PATTERN}` }, { const: 0 }], examples: EXAMPLES }
        : { type: 'string', pattern: PATTERN, examples: EXAMPLES },
    read(raw) {
      if ((raw === 0 || raw === '0') && range.min === 0) return accepted(0)
      if (raw === 0 || raw === '0') return refused(`0 is below ${formatDuration(range.min)}`, remedy)
      if (typeof raw === 'number' || (typeof raw === 'string' && /^\d+(\.\d+)?$/.test(raw))) {
        if (Number(raw) < 0) return refused(`${raw} is negative`, remedy)
        return refused(`${raw} has no unit`, `write ${raw}s for seconds or ${raw}ms for milliseconds`)
      }
      if (typeof raw !== 'string') return wrongType(raw, 'a duration', `${remedy}, such as 5s, 500ms or 1m30s`)
      return readText(raw, range, remedy)
    },
  }
}

function readText(text: string, range: DurationRange, remedy: string): Reading<number> {
  if (/^-/.test(text) && WHOLE.test(text.slice(1))) return refused(`${text} is negative`, remedy)
  if (!WHOLE.test(text)) return refused(`${show(text)} is not a duration`, `${remedy}, such as 5s, 500ms or 1m30s`)
  let milliseconds = 0
  for (const [, amount, unit] of text.matchAll(PART)) milliseconds += Number(amount) * (UNITS[unit ?? ''] ?? 0)
  milliseconds = Number(milliseconds.toFixed(6))
  if (milliseconds < range.min) return refused(`${text} is below ${formatDuration(range.min)}`, remedy)
  if (milliseconds > range.max) return refused(`${text} is above ${formatDuration(range.max)}`, remedy)
  if (!Number.isInteger(milliseconds)) return refused(`${text} is finer than a millisecond`, `write whole milliseconds`)
  if (range.wholeSeconds && milliseconds % 1000 !== 0)
    return refused(`${text} is not whole seconds, which is what the kernel counts in`, remedy)
  return accepted(milliseconds)
}

/** `1m30s`, `500ms`, `0s`: the shortest text that reads back to the same milliseconds. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s'
  let rest = milliseconds
  let text = ''
  for (const [unit, size] of Object.entries(UNITS)) {
    const count = Math.floor(rest / size)
    if (count > 0) text += `${count}${unit}`
    rest -= count * size
  }
  return text
}
