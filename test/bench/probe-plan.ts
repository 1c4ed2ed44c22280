/** Which backends are asked, how fast, and for how long it is watched. */

import type { ProbeTable } from './probe-tables.ts'

export interface ProbeCase {
  readonly table: ProbeTable
  /** With how many threads the daemon asks, in turn; absent: with the main thread alone. */
  readonly threads?: readonly number[]
  readonly rounds: number
  /** Milliseconds from the start to the window that counts: first probes are asked at once, and V8 compiles what runs often. */
  readonly settled: number
  /** Milliseconds. */
  readonly window: number
}

export interface ProbePlan {
  readonly cases: readonly ProbeCase[]
}

export const JUDGED_TABLE: ProbeTable = { tcp: 5_000, http: 5_000, interval: 5_000 }

const REPORTED: readonly Pick<ProbeCase, 'table' | 'threads'>[] = [
  { table: { tcp: 5_000, http: 0, interval: 5_000 } },
  { table: { tcp: 0, http: 5_000, interval: 5_000 } },
  { table: { tcp: 5_000, http: 5_000, interval: 1_000 }, threads: [0, 2] },
]

const FULL = { settled: 15_000, window: 10_000 }
const MOST_REPORTED_ROUNDS = 2

/** The case that is judged, once. */
export const JUDGED_CASE: ProbeCase = { table: JUDGED_TABLE, rounds: 1, ...FULL }

export function probePlanFor({ quick, rounds }: { readonly quick: boolean; readonly rounds: number }): ProbePlan {
  const small = { tcp: 20, http: 20, interval: 500 }
  if (quick) return { cases: [{ table: small, threads: [0, 2], rounds: 1, settled: 1_000, window: 2_000 }] }
  const reported = Math.min(rounds, MOST_REPORTED_ROUNDS)
  return {
    cases: [{ ...JUDGED_CASE, rounds }, ...REPORTED.map((one) => ({ ...one, rounds: reported, ...FULL }))],
  }
}
