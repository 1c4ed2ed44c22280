import { expect, it } from 'vitest'
import { foundIn, NO_TURN, nextTurn, type PoolMember, type Turn } from '../../../src/daemon/pool-findings.ts'
import { afterResult, type CheckStanding, firstStanding } from '../../../src/health/check-standing.ts'
import type { DestinationKey } from '../../../src/model/destination.ts'
import type { Operational } from '../../../src/model/operational.ts'
import type { ProbeResult } from '../../../src/model/probe-result.ts'
import { key, tcpCheck } from '../pipeline/makers.ts'

const PASSED: ProbeResult = { outcome: 'passed' }
const REFUSED: ProbeResult = { outcome: 'failed', failure: 'refused', message: 'refuses connections' }
const STATUS: ProbeResult = { outcome: 'failed', failure: 'wrong-answer', message: 'answers 503' }

/** Two members that are asked by one check each; each result is told before the next one comes. */
class Two {
  found: ReadonlyMap<DestinationKey, Operational> = new Map()
  #members: { standing: CheckStanding; turn: Turn }[]

  constructor() {
    this.#members = [1, 2].map(() => ({ standing: firstStanding(tcpCheck, 0), turn: NO_TURN }))
  }

  heard(number: number, result: ProbeResult, now: number): this {
    this.#members = this.#members.map((one, index) =>
      index + 1 === number
        ? { standing: afterResult(one.standing, result, tcpCheck, now), turn: nextTurn(one.turn, result, 0, now) }
        : one,
    )
    const pool = this.#members.map(
      (one, index): PoolMember => ({ destination: key(index + 1), checks: [{ key: `${index}`, spec: tcpCheck, ...one }] }),
    )
    this.found = foundIn(pool, this.found).found
    return this
  }

  isDue(number: number): boolean {
    return this.found.get(key(number))?.siblingsDue === true
  }
}

it('the others are due when one begins to fail above connect, also right after a failure to connect, and not again once they were asked', () => {
  const direct = new Two().heard(1, PASSED, 0).heard(2, PASSED, 0).heard(1, STATUS, 10)
  expect(direct.isDue(1)).toBe(true)
  const refused = new Two().heard(1, PASSED, 0).heard(2, PASSED, 0).heard(1, REFUSED, 10)
  expect(refused.isDue(1)).toBe(false)
  expect(refused.heard(1, STATUS, 20).isDue(1)).toBe(true)
  expect(refused.heard(2, PASSED, 30).isDue(1)).toBe(false)
  expect(refused.heard(1, STATUS, 40).isDue(1)).toBe(false)
})
