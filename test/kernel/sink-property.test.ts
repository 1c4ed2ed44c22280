import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inCheckout, type Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { coverageOf, coverageText } from '../support/random-tables/coverage.ts'
import type { DriveResult } from '../support/random-tables/drive.ts'
import { randomTables } from '../support/random-tables/generate.ts'
import { privateNamespace } from './support/namespace.ts'

const TABLES = 1_000
/** Another seed drives other tables: `RANDOM_TABLES_SEED=7 npm run test:kernel`. */
const SEED = Number(process.env['RANDOM_TABLES_SEED'] ?? 20_260_101)

let lab: Lab
beforeAll(async () => {
  lab = await sharedLab()
})
afterAll(() => lab.close())

describe(`${TABLES} random tables one into the next on a real kernel (seed ${SEED})`, () => {
  it('cover every feature in at least 5% of the objects that can have it', () => {
    const coverage = coverageOf(randomTables(SEED, TABLES))
    console.log(coverageText(coverage))
    const shares = Object.entries({ ...coverage.services, ...coverage.destinations })
    expect(shares.length).toBe(15)
    expect(shares.filter(([, share]) => share < 0.05)).toEqual([])
    expect(Object.entries(coverage.combinations).filter(([, count]) => count === 0)).toEqual([])
  })

  it('end exactly as wanted in our eyes and in ipvsadm’s, with the fewest writes, foreign objects untouched', async () => {
    await using namespace = await privateNamespace(lab, 'sink-property')
    const { code, stdout, stderr } = await lab.runScript(inCheckout('test/kernel/guest/random-tables.ts'), {
      netns: namespace.name,
      args: [String(SEED), String(TABLES)],
      timeoutMs: 1_500_000,
    })
    expect(code, stderr).toBe(0)
    const result = JSON.parse(stdout) as DriveResult & { readonly asked: number; readonly seconds: number }
    console.log(
      `${result.writes} writes, ${result.compared} objects compared, ipvsadm asked ${result.asked} times, ${result.seconds} s`,
    )
    expect(result.faults).toEqual([])
    expect(result.writes).toBe(result.fewest)
    expect(result).toMatchObject({ tables: TABLES, asked: TABLES })
    expect(result.foreignMoves).toBeGreaterThan(100)
    expect(result.drains).toBeGreaterThan(1_000)
    expect(result.compared).toBeGreaterThan(15_000)
  }, 1_600_000)
})
