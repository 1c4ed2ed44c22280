import { describe, expect, it } from 'vitest'
import { judge, type RiseFall, type Standing, UNKNOWN_STANDING } from '../../../src/health/rise-fall.ts'
import type { ProbeResult } from '../../../src/model/probe-result.ts'

const RESULTS: Record<string, ProbeResult> = {
  '+': { outcome: 'passed' },
  '-': { outcome: 'failed', failure: 'refused', message: 'x' },
  '?': { outcome: 'unknown', message: 'x' },
}

/** The health after each of some results: `+` passed, `-` failed, `?` unknown. */
function healths(results: string, rules: RiseFall): string[] {
  let standing: Standing = UNKNOWN_STANDING
  return [...results].map((one) => {
    standing = judge(standing, RESULTS[one] as ProbeResult, rules)
    return standing.health
  })
}

describe('rise and fall', () => {
  it.each([
    ['one success is enough at first', '+', ['up']],
    ['a failure less than fall decides nothing at first', '-', ['unknown']],
    ['fall failures in a row are down', '--', ['unknown', 'down']],
    ['also after it was up', '+--', ['up', 'up', 'down']],
    ['a success in between starts the count anew', '+-+-', ['up', 'up', 'up', 'up']],
    ['and is enough when nothing was known', '-+-', ['unknown', 'up', 'up']],
    ['rise successes in a row are up again', '--+++', ['unknown', 'down', 'down', 'down', 'up']],
    ['a failure in between starts that count anew', '--++-++', ['unknown', 'down', 'down', 'down', 'down', 'down', 'down']],
    ['what tells nothing counts for nobody', '?-?-', ['unknown', 'unknown', 'unknown', 'down']],
  ])('%s (%s)', (_, results, expected) => {
    expect(healths(results, { rise: 3, fall: 2 })).toEqual(expected)
  })
})
