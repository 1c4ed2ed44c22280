import { expect, it } from 'vitest'
import { daysLeft } from '../../../src/health/certificate.ts'

const NOON = Date.UTC(2026, 0, 2, 12)

it.each([
  ['Jan  2 12:00:00 2026 GMT', 0],
  ['Jan  3 11:59:59 2026 GMT', 0],
  ['Jan  3 12:00:00 2026 GMT', 1],
  ['Jan  2 11:59:59 2026 GMT', -1],
  ['Dec 31 23:59:59 9999 GMT', 2_912_441],
  ['Bad time value', undefined],
])('a certificate that is valid to %s has %s days left', (validTo, days) => {
  expect(daysLeft({ validTo }, NOON)).toBe(days)
})
