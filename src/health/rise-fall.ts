import type { Health, ProbeResult } from '../model/probe-result.ts'

/** Results in a row that turn a backend's health, each at least 1. */
export interface RiseFall {
  readonly rise: number
  readonly fall: number
}

/** A backend's health and how many results in a row speak against it. */
export interface Standing {
  readonly health: Health
  readonly against: number
}

export const UNKNOWN_STANDING: Standing = { health: 'unknown', against: 0 }

/** The standing after one more result. The first success is enough for a backend of which nothing is known. */
export function judge(before: Standing, { outcome }: ProbeResult, { rise, fall }: RiseFall): Standing {
  const { health } = before
  if (outcome === 'unknown') return before
  if (outcome === 'passed') {
    if (health === 'up') return before.against === 0 ? before : { health, against: 0 }
    return health === 'unknown' || before.against + 1 >= rise
      ? { health: 'up', against: 0 }
      : { health, against: before.against + 1 }
  }
  if (health === 'down') return before.against === 0 ? before : { health, against: 0 }
  return before.against + 1 >= fall ? { health: 'down', against: 0 } : { health, against: before.against + 1 }
}
