import { type Operational, sameOperational } from '../model/operational.ts'
import { type Health, isConnectFailure, type ProbeResult, type SelfReport } from '../model/probe-result.ts'
import type { CheckSpec, ProbeKind } from '../model/probe-spec.ts'
import { judge, type Standing } from './rise-fall.ts'

/** What one check has found of a backend so far. */
export interface CheckStanding extends Standing, Operational {
  readonly certificateDays?: number
}

type Rules = Pick<CheckSpec, 'rise' | 'fall' | 'initial'>

/** Before the first result. */
export function firstStanding({ initial }: Pick<CheckSpec, 'initial'>, now: number): CheckStanding {
  return { health: initial, against: 0, since: now, turns: 0 }
}

/** After one more result; the same object where it tells nothing new. */
export function afterResult(before: CheckStanding, result: ProbeResult, rules: Rules, now: number): CheckStanding {
  const { health, against } = judge(before, result, rules)
  const turned = health !== before.health
  const after: CheckStanding = {
    health,
    against,
    since: turned ? now : before.since,
    turns: before.turns + (turned ? 1 : 0),
    ...wordsOf(before, result, health),
  }
  return same(before, after) ? before : after
}

/** Milliseconds until it is asked again. While it is about to turn it is asked more often. */
export function intervalAt({ health, against }: Standing, spec: CheckSpec): number {
  const { interval, fastInterval = interval, downInterval = interval } = spec
  if (against > 0) return fastInterval
  return health === 'down' ? downInterval : interval
}

interface Checked {
  readonly kind: ProbeKind['kind']
  readonly standing: CheckStanding
}

/**
 * All checks of one backend taken together: down if any is down, up if all are up. Several say why by their kinds, one that cannot connect first. Of what
 * the backend says of itself the least counts. An agent that was asked and never said anything is passed over where there is
 * another check: nobody would ever be up beside it.
 */
export function together(checks: readonly Checked[]): Operational {
  const [only] = checks
  if (only !== undefined && checks.length === 1) return operationalOf(only.standing)
  const standings = checks.map(({ standing }) => standing)
  const voting = checks.filter((check) => !isSilentAgent(check))
  const heard = voting.length === 0 ? checks : voting
  const health = healthOf(heard.map(({ standing }) => standing))
  const deciding = heard.filter(({ standing }) => standing.health === health)
  const dead = health === 'down' ? deciding.find(isDead) : undefined
  const speaking = [dead, ...deciding].find((check) => check?.standing.message !== undefined)
  const failing = [dead, speaking, ...deciding].find((check) => check?.standing.failure !== undefined)
  const report = strictest(standings.flatMap((standing) => standing.report ?? []))
  return {
    health,
    since: sinceOf(deciding.map(({ standing }) => standing)),
    turns: standings.reduce((sum, { turns }) => sum + turns, 0),
    ...(speaking !== undefined && { message: `${speaking.kind}: ${speaking.standing.message}` }),
    ...(failing?.standing.failure !== undefined && { failure: failing.standing.failure }),
    ...(report !== undefined && { report }),
  }
}

/** That nobody can connect to it is always believed, whatever else is wrong with it. */
function isDead({ standing: { failure } }: Checked): boolean {
  return failure !== undefined && isConnectFailure(failure)
}

function isSilentAgent({ kind, standing: { health, message } }: Checked): boolean {
  return kind === 'agent' && health === 'unknown' && message !== undefined
}

function wordsOf(before: CheckStanding, result: ProbeResult, health: Health): Partial<CheckStanding> {
  const report = result.outcome === 'unknown' ? before.report : result.report
  const certificateDays = result.outcome === 'unknown' ? before.certificateDays : result.certificateDays
  // A first success, or a result that says nothing, does not make another failure of the one that it is down by.
  const failure = result.outcome === 'failed' ? result.failure : health === 'down' ? before.failure : undefined
  return {
    ...(result.outcome !== 'passed' && { message: result.message }),
    ...(failure !== undefined && { failure }),
    ...(report !== undefined && { report }),
    ...(certificateDays !== undefined && { certificateDays }),
  }
}

function same(a: CheckStanding, b: CheckStanding): boolean {
  return a.against === b.against && a.certificateDays === b.certificateDays && sameOperational(a, b)
}

function operationalOf({ health, since, turns, message, failure, report }: CheckStanding): Operational {
  return {
    health,
    since,
    turns,
    ...(message !== undefined && { message }),
    ...(failure !== undefined && { failure }),
    ...(report !== undefined && { report }),
  }
}

function healthOf(standings: readonly Standing[]): Health {
  if (standings.some(({ health }) => health === 'down')) return 'down'
  return standings.some(({ health }) => health === 'unknown') ? 'unknown' : 'up'
}

/** It went down with the first that did, and came up with the last. */
function sinceOf(deciding: readonly CheckStanding[]): number {
  const times = deciding.map(({ since }) => since)
  return deciding[0]?.health === 'down' ? Math.min(...times) : Math.max(...times)
}

const STRICTNESS = ['maintenance', 'drain', 'ready'] as const

function strictest(reports: readonly SelfReport[]): SelfReport | undefined {
  if (reports.length === 0) return undefined
  const least = (values: readonly (number | undefined)[]) => {
    const numbers = values.filter((value) => value !== undefined)
    return numbers.length === 0 ? undefined : Math.min(...numbers)
  }
  const weight = least(reports.map((report) => report.weight))
  const percent = least(reports.map((report) => report.percent))
  const wish = STRICTNESS.find((word) => reports.some((report) => report.wish === word))
  return {
    ...(weight !== undefined && { weight }),
    ...(percent !== undefined && { percent }),
    ...(wish !== undefined && { wish }),
  }
}
