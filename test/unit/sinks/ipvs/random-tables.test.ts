import { describe, expect, it } from 'vitest'
import { FakeKernel } from '../../../support/fake-kernel.ts'
import { FakeOwnership } from '../../../support/fake-ownership.ts'
import { coverageOf, coverageText } from '../../../support/random-tables/coverage.ts'
import { driveTables } from '../../../support/random-tables/drive.ts'
import { randomTables } from '../../../support/random-tables/generate.ts'

const SEED = 20_260_101

describe('1,000 random tables one into the next', () => {
  const tables = randomTables(SEED, 1_000)

  it('cover every feature in at least 5% of the objects that can have it, and every combination', () => {
    const coverage = coverageOf(tables)
    const rare = Object.entries({ ...coverage.services, ...coverage.destinations }).filter(([, share]) => share < 0.05)
    expect(rare, coverageText(coverage)).toEqual([])
    expect(
      Object.entries(coverage.combinations).filter(([, count]) => count < 20),
      coverageText(coverage),
    ).toEqual([])
  })

  it('end exactly as wanted, with the fewest writes, and leave foreign objects untouched', async () => {
    const result = await driveTables({ kernel: new FakeKernel(), ownership: new FakeOwnership(), tables })
    expect(result.faults).toEqual([])
    expect(result.writes).toBe(result.fewest)
    expect(result).toMatchObject({ tables: 1_000 })
    expect(result.foreignMoves).toBeGreaterThan(100)
    expect(result.drains).toBeGreaterThan(1_000)
    expect(result.compared).toBeGreaterThan(15_000)
  }, 60_000)
})
