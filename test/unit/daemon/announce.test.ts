import { expect, test } from 'vitest'
import { logSourceWarnings } from '../../../src/daemon/announce.ts'
import { loggerTo } from '../../../src/log.ts'
import { spec } from '../pipeline/makers.ts'

test('of thousands of oddities in an answer a hundred are told, and how many more there are', () => {
  const log: Record<string, unknown>[] = []
  const logger = loggerTo({ write: (line: string) => void log.push(JSON.parse(line)) }, 'info')
  const warnings = Array.from({ length: 5_000 }, (_, index) => ({
    file: 'consul',
    path: '',
    problem: `weight ${index} is odd`,
    remedy: 'even it out',
  }))
  const service = spec({})
  logSourceWarnings(logger, 'consul', service, warnings.slice(0, 100))
  expect(log).toHaveLength(100)
  logSourceWarnings(logger, 'consul', service, warnings)
  expect(log).toHaveLength(201)
  expect(log[199]).toMatchObject({ msg: 'consul: weight 99 is odd; even it out' })
  expect(log[200]).toMatchObject({ service: service.name, source: 'consul', msg: 'and 4900 more warnings like these' })
})
