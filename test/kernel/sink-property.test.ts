import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inCheckout, type Lab } from '../lab/lab.ts'
import { sharedLab } from '../lab/shared.ts'
import { coverageOf, coverageText } from '../support/random-tables/coverage.ts'
import type { DriveResult } from '../support/random-tables/drive.ts'
import { randomTables } from '../support/random-tables/generate.ts'
import { randomSeed } from '../support/seed.ts'
import { privateNamespace } from './support/namespace.ts'

const TABLES = 1_000
const SEED = randomSeed()

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
    // Two at a time, for the machine has two processors; the last table of the first half is the first of the second, so that no step is left out.
    const half = TABLES / 2
    const halves = await Promise.all([drive('first', 0, half), drive('second', half - 1, TABLES)])
    const sum = (field: 'writes' | 'fewest' | 'tables' | 'asked' | 'compared' | 'foreignMoves' | 'drains'): number =>
      halves.reduce((total, result) => total + result[field], 0)
    console.log(
      `${sum('writes')} writes, ${sum('compared')} objects compared, ipvsadm asked ${sum('asked')} times, ${halves.map(({ seconds }) => `${seconds} s`).join(' beside ')}`,
    )
    expect(halves.flatMap(({ faults }) => faults)).toEqual([])
    expect(sum('writes')).toBe(sum('fewest'))
    expect(sum('tables')).toBe(TABLES + 1)
    expect(sum('asked')).toBe(TABLES + 1)
    expect(sum('foreignMoves')).toBeGreaterThan(100)
    expect(sum('drains')).toBeGreaterThan(1_000)
    expect(sum('compared')).toBeGreaterThan(15_000)
  }, 1_600_000)
})

interface Driven extends DriveResult {
  readonly asked: number
  readonly seconds: number
}

async function drive(name: string, first: number, end: number): Promise<Driven> {
  await using namespace = await privateNamespace(lab, `sink-property-${name}`)
  const { code, stdout, stderr } = await lab.runScript(inCheckout('test/kernel/guest/random-tables.ts'), {
    netns: namespace.name,
    args: [SEED, TABLES, first, end].map(String),
    timeoutMs: 1_500_000,
  })
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout) as Driven
}
