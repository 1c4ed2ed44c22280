import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Pace } from '../../../src/admin/pace.ts'
import { pacedJson } from '../../../src/admin/paced-json.ts'
import { applied, inOrder } from '../../../src/admin/page/report.js'
import { statusDelta } from '../../../src/admin/status-delta.ts'
import type { BackendReport, StatusReport } from '../../../src/admin/status-schema.ts'
import { backendReport, serviceReport, statusReport } from './reports.ts'

const delta = (before: StatusReport, after: StatusReport) => statusDelta(before, after, new Pace())

describe('a delta', () => {
  test('holds the fields that became different and nothing else', async () => {
    const [one, two] = [backendReport('10.0.0.1:80'), backendReport('10.0.0.2:80')]
    const down: BackendReport = { ...two, state: 'down', times_down: 1 }
    const before = statusReport([serviceReport('web', [one, two])])
    const after = statusReport([serviceReport('web', [one, down])], { at: '2026-01-01T00:00:01.000Z' })
    expect(await delta(before, after)).toEqual({
      services: [{ key: 'tcp/web:80', backends: [{ backend: '10.0.0.2:80', set: { state: 'down', times_down: 1 } }] }],
    })
  })

  test('is none where only time has passed', async () => {
    const report = () => statusReport([serviceReport('web', [backendReport('10.0.0.1:80')])])
    expect(await delta(report(), { ...report(), at: '2026-01-01T00:00:01.000Z' })).toBeUndefined()
  })

  test('names what is there no longer, and what has a field less', async () => {
    const before = statusReport([serviceReport('web', [backendReport('10.0.0.1:80')]), serviceReport('api', [])], {
      kernel_error: 'gone',
    })
    const { kernel: _, ...unasked } = backendReport('10.0.0.1:80')
    const after = statusReport([serviceReport('web', [unasked])])
    expect(await delta(before, after)).toEqual({
      head: { unset: ['kernel_error'] },
      services: [
        { key: 'tcp/web:80', backends: [{ backend: '10.0.0.1:80', unset: ['kernel'] }] },
        { key: 'tcp/api:80', gone: true },
      ],
    })
  })

  test('has changes that are new alone', async () => {
    const change = (id: number) => ({
      id,
      at: '',
      kind: 'health',
      service: 'web',
      from: 'up',
      to: 'down',
      cause: 'probe',
      reasons: [],
    })
    const before = statusReport([], { changes: [change(0), change(1)] })
    const after = statusReport([], { changes: [change(1), change(2)] })
    expect(await delta(before, after)).toEqual({ changes: [change(2)] })
  })
})

const backends = fc.uniqueArray(
  fc
    .record(
      {
        backend: fc.integer({ min: 0, max: 12 }).map((host) => `10.0.0.${host}:80`),
        state: fc.constantFrom<BackendReport['state'][]>('up', 'down', 'drain'),
        weight: fc.constantFrom(null, 0, 1),
        reasons: fc.array(fc.constantFrom('a', 'b'), { maxLength: 2 }),
        kernel: fc.constantFrom(null, { weight: 1, active: 0, inactive: 0, persistent: 0 }),
        since: fc.constantFrom('x', 'y'),
      },
      { requiredKeys: ['backend', 'state', 'weight', 'reasons'] },
    )
    .map(({ backend, ...more }) => {
      const { kernel: _, since: __, ...base } = backendReport(backend)
      return { ...base, ...more } as BackendReport
    }),
  { selector: ({ backend }) => backend, maxLength: 8 },
)

const reports = fc
  .uniqueArray(
    fc
      .tuple(fc.constantFrom('web', 'api', 'dns'), fc.boolean(), backends)
      .map(([name, complete, list]) => serviceReport(name, list, { complete })),
    { selector: ({ key }) => key },
  )
  .chain((services) => fc.boolean().map((broken) => statusReport(services, broken ? { kernel_error: 'no' } : {})))

test('what the page makes of a report and a delta is the next report', async () => {
  await fc.assert(
    fc.asyncProperty(reports, reports, async (before, after) => {
      const known = inOrder({ ...before, revision: 1 })
      const told = (await delta(before, after)) ?? {}
      // As it comes over the wire.
      const heard = JSON.parse(JSON.stringify({ ...told, at: after.at, revision: 2 }))
      expect(applied(known, heard)).toEqual(inOrder({ ...after, revision: 2 }))
    }),
  )
})

test('JSON in slices is JSON.stringify', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.array(fc.jsonValue()), fc.dictionary(fc.string(), fc.option(fc.jsonValue(), { nil: undefined }))),
      async (value) => {
        expect(await pacedJson(value, new Pace())).toBe(JSON.stringify(value))
      },
    ),
  )
  const long = { a: Array.from({ length: 100 }, (_, id) => ({ id, list: Array.from({ length: 40 }, () => [undefined, 'x']) })) }
  expect(await pacedJson(long, new Pace())).toBe(JSON.stringify(long))
})
