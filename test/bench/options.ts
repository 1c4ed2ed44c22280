/** The command line of the bench. */

import { parseArgs } from 'node:util'
import { STEPS, type Step, TABLES, type Table } from './plan.ts'

export type Kernel = 'vm' | 'user-mode'

export interface BenchOptions {
  /** Small tables, one round: shows that everything runs; the values mean nothing and no bar is judged. */
  readonly quick: boolean
  /** One JSON object in place of the tables. */
  readonly json: boolean
  /** Exit code 1 when a bar is missed. */
  readonly strict: boolean
  readonly rounds: number
  readonly warmUp: number
  /** Left out: everything. Bars whose measure was not taken are not judged. */
  readonly only: readonly Step[]
  readonly tables: readonly Table[]
  /**
   * A virtual machine with a stock kernel, or user-mode Linux, where programs run at their own speed. Undefined: user-mode
   * Linux for the steps `consul` and `probes`, whose times are those of programs, and the virtual machine for the others.
   */
  readonly in: Kernel | undefined
}

export const USAGE = `usage: npm run bench -- [--quick] [--json] [--strict] [--rounds N] [--only STEP,...] [--tables TABLE,...] [--in KERNEL]
  --quick             small tables, one round: shows that everything runs, judges nothing
  --json              one JSON object in place of the tables
  --strict            exit code 1 when a bar is missed
  --rounds N          measured rounds, 5 by default; the median counts
  --only STEP,...     of ${STEPS.join(', ')}
  --tables TABLE,...  of ${TABLES.join(', ')}
  --in KERNEL         vm (a stock kernel in a virtual machine) or user-mode (user-mode Linux); by default vm, and user-mode for consul and probes`

const ROUNDS = 5
const WARM_UP = 3

/** Undefined when the arguments make no sense. */
export function readOptions(args: readonly string[]): BenchOptions | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        strict: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        only: { type: 'string' },
        tables: { type: 'string' },
        in: { type: 'string' },
      },
    })
    const { quick, json, strict } = values
    const rounds = values.rounds === undefined ? (quick ? 1 : ROUNDS) : Number(values.rounds)
    if (!Number.isInteger(rounds) || rounds < 1) return undefined
    const only = chosen(STEPS, values.only)
    const tables = chosen(TABLES, values.tables)
    if (only === undefined || tables === undefined) return undefined
    const kernel = values.in
    if (kernel !== undefined && kernel !== 'vm' && kernel !== 'user-mode') return undefined
    return { quick, json, strict, rounds, warmUp: quick ? 0 : WARM_UP, only, tables, in: kernel }
  } catch {
    return undefined
  }
}

/** Those of `all` that a list with commas names; undefined when it names something else. */
function chosen<T extends string>(all: readonly T[], list: string | undefined): readonly T[] | undefined {
  if (list === undefined) return all
  const named = list.split(',')
  return named.every((name) => (all as readonly string[]).includes(name)) ? all.filter((name) => named.includes(name)) : undefined
}
