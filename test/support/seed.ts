/**
 * Random tests try the same cases in every run, so that a change that breaks nothing turns nothing red; `POINTSMAN_TEST_SEED=random` (or a
 * whole number) tries others.
 */
export function randomSeed(wish = process.env['POINTSMAN_TEST_SEED'] ?? '20260101'): number {
  if (wish === 'random') return Math.floor(Math.random() * 2 ** 31)
  const seed = Number(wish)
  // A seed that is none would drive one and the same table a thousand times, and pass.
  if (!Number.isInteger(seed) || seed < 0)
    throw new Error(`POINTSMAN_TEST_SEED: "${wish}" is no seed; write a whole number, or random.`)
  return seed
}
