import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { openApi, openApiText } from '../../../src/admin/openapi.ts'
import { currentBuild } from '../../../src/build.ts'
import { reportValidator } from '../../support/watching/report-validator.ts'
import { backendReport, serviceReport, statusReport } from './reports.ts'

test('docs/openapi.json is current', () => {
  expect(readFileSync('docs/openapi.json', 'utf8')).toBe(openApiText(currentBuild().version))
})

test('every reference leads somewhere', () => {
  const text = JSON.stringify(openApi('1'))
  const { components } = openApi('1') as { components: { schemas: object } }
  const names = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name)
  expect(names.length).toBeGreaterThan(10)
  expect(names.filter((name) => !Object.hasOwn(components.schemas, name ?? ''))).toEqual([])
})

test('whoever validates answers by it takes those of a later version, which may have more fields', () => {
  expect(JSON.stringify(openApi('1'))).not.toContain('"additionalProperties":false')
})

test('it takes a report, and names every field of it; it refuses one with a field too few, or of another kind', () => {
  const { safeParse } = reportValidator()
  const report = { revision: 1, ...statusReport([serviceReport('web', [backendReport('10.0.0.1:80')])]) }
  expect(safeParse(report).success).toBe(true)
  expect(safeParse({ ...report, more: 1 }).success).toBe(false)
  expect(safeParse({ ...report, sinks: undefined }).success).toBe(false)
  const [service] = report.services
  expect(safeParse({ ...report, services: [{ ...service, backends: [{ ...service?.backends[0], weight: 'x' }] }] }).success).toBe(
    false,
  )
})
