/** Words and numbers of the status page. Nothing here touches the page. */

const WHOLE = new Intl.NumberFormat('en')

/** `12,345`; `–` where it is not known. @param {number | undefined | null} value */
export function wholeText(value) {
  return value === undefined || value === null ? '–' : WHOLE.format(value)
}

/** The sum of what is known; undefined where something was asked for and nothing is known. @param {readonly (number | undefined)[]} values */
export function sumOf(values) {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 && values.length > 0 ? undefined : known.reduce((sum, value) => sum + value, 0)
}

const STEPS = /** @type {const} */ ([
  ['T', 1e12],
  ['G', 1e9],
  ['M', 1e6],
  ['k', 1e3],
])

/** `0`, `7.4`, `512`, `1.2k`, `34M`: three characters and a unit. @param {number | undefined} value */
export function shortText(value) {
  if (value === undefined) return '–'
  // What would be rounded up to the next unit has it.
  const [unit, size] = STEPS.find(([, each]) => value >= each * 0.9995) ?? ['', 1]
  const scaled = value / size
  const digits = scaled < 9.95 && (unit !== '' || !Number.isInteger(value)) ? 1 : 0
  return `${scaled.toFixed(digits)}${unit}`
}

const UNITS = /** @type {const} */ ([
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
])

/** `5s`, `3m`, `2h`, `9d`: in the largest unit of which there are two, as `pointsman status` says it. @param {number} milliseconds */
export function spanText(milliseconds) {
  const span = Math.max(0, milliseconds)
  const [unit, size] = UNITS.find(([, each]) => span >= 2 * each) ?? ['s', 1_000]
  return `${Math.floor(span / size)}${unit}`
}

/** The time from an ISO 8601 text to now; `–` where there is none. @param {string | undefined} since @param {number} now */
export function ageText(since, now) {
  return since === undefined ? '–' : spanText(now - Date.parse(since))
}

/** Whether something was down, or is. @param {DowntimeReport} downtime */
export function hasBeenDown({ seconds, since }) {
  return seconds > 0 || since !== undefined
}

/** How long something was down, the outage that goes on included. @param {DowntimeReport} downtime @param {number} now */
export function downtimeText({ seconds, since }, now) {
  return spanText(seconds * 1_000 + (since === undefined ? 0 : Math.max(0, now - Date.parse(since))))
}

/** `240ms`, `1.2s`. @param {number} seconds */
export function durationText(seconds) {
  return seconds < 1 ? `${Math.round(seconds * 1_000)}ms` : `${seconds.toFixed(1)}s`
}

/** `1 backend`, `1,204 backends`. @param {number} count @param {string} noun */
export function countText(count, noun) {
  return `${WHOLE.format(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** `12:03:41`, in the time of whoever looks. @param {string} at */
export function clockText(at) {
  return new Date(at).toLocaleTimeString('en-GB')
}

/** What people of load balancers call a state, for a narrow column. @param {string} state */
export function stateText(state) {
  return state === 'maintenance' ? 'maint' : state === 'unprobed' ? 'no check' : state
}

/** Which colour a state has; its word always stands beside it. */
export const TONES = /** @type {Readonly<Record<string, string>>} */ ({
  up: 'good',
  passing: 'good',
  good: 'good',
  ready: 'good',
  unprobed: 'calm',
  listed: 'calm',
  down: 'bad',
  critical: 'bad',
  failing: 'bad',
  stuck: 'bad',
  stale: 'bad',
  'not-ready': 'bad',
  drain: 'leaving',
  absent: 'leaving',
  maintenance: 'away',
  warning: 'away',
  held: 'away',
  degraded: 'away',
  pending: 'away',
  foreign: 'none',
  standby: 'none',
  unknown: 'none',
})

/** The tone of a word; what is usual has none. @param {string} word */
export function toneOf(word) {
  return (Object.hasOwn(TONES, word) ? TONES[word] : undefined) ?? 'none'
}

/** The tone of one of the three states, where what is usual is quiet. @param {string} word */
export function quietTone(word) {
  const tone = toneOf(word)
  return tone === 'good' || tone === 'calm' ? 'none' : tone
}

/** @import { BackendReport, DowntimeReport, ServiceReport } from '../status-schema.ts' */

/** Whether somebody may want to look at a backend: it does not serve, or not as it was meant to. @param {BackendReport} backend */
export function isProblem({ state, discovered, weight, kernel }) {
  if (state !== 'up' && state !== 'unprobed') return true
  if (discovered.state === 'held' || discovered.state === 'warning') return true
  return kernel !== undefined && (kernel?.weight ?? 0) !== (weight ?? 0)
}

const MODES = { panic: 'panic', sorry: 'sorry server', nobody: 'nobody serves' }

/**
 * What is wrong with a service as a whole, in a few words each.
 * @param {ServiceReport} service
 */
export function troublesOf({ pool, complete, failures = [], sources, backends }) {
  const troubles = []
  if (pool.mode !== 'normal' && backends.length > 0) troubles.push(MODES[pool.mode])
  if (pool.quorum?.has === false) troubles.push(`quorum lost: ${pool.quorum.measure} of ${pool.quorum.min}`)
  if (pool.announced === false) troubles.push('not announced')
  if (pool.held_failures.length > 0) troubles.push(`${countText(pool.held_failures.length, 'failure')} held`)
  const held = sources.reduce((sum, source) => sum + source.held_removals, 0)
  if (held > 0) troubles.push(`${countText(held, 'removal')} held`)
  for (const { state, partial } of sources) {
    if (state !== 'up') troubles.push(`source ${state}`)
    if (partial) troubles.push('source may lack backends')
  }
  if (!complete) troubles.push('not every source has answered')
  if (failures.length > 0) troubles.push(countText(failures.length, 'failing object'))
  return [...new Set(troubles)]
}
