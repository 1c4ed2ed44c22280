import fc from 'fast-check'

/**
 * Random tests try the same cases in every run, so that a change that breaks nothing turns nothing red; `POINTSMAN_TEST_SEED=random` (or a
 * number) tries others.
 */
const { POINTSMAN_TEST_SEED: wish = '20260101' } = process.env

if (wish !== 'random') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(wish) })
