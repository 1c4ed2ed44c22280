const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const

/** `5s`, `3m`, `2h`, `9d`: in the largest unit of which there are two, whole. */
export function spanText(milliseconds: number): string {
  const span = Math.max(0, milliseconds)
  const [unit, size] = UNITS.find(([, each]) => span >= 2 * each) ?? ['s', 1_000]
  return `${Math.floor(span / size)}${unit}`
}

/** `3m`; both times are ISO 8601. */
export function spanOf(since: string, now: string): string {
  return spanText(Date.parse(now) - Date.parse(since))
}

/** `3m ago`; both times are ISO 8601. */
export function agoText(time: string, now: string): string {
  return `${spanOf(time, now)} ago`
}

/** `in 3m`; both times are ISO 8601. */
export function inText(time: string, now: string): string {
  return `in ${spanOf(now, time)}`
}
