import { describe, expect, test } from 'vitest'
import { Metrics } from '../../../src/admin/metrics.ts'
import { recordPass } from '../../../src/daemon/passes.ts'
import { Status } from '../../../src/daemon/status.ts'
import { PointsmanError } from '../../../src/errors.ts'
import { loggerTo } from '../../../src/log.ts'
import type { PassResult } from '../../../src/pipeline/wire.ts'
import type { ObjectFailure, PassReport } from '../../../src/sinks/sink.ts'
import { service, state } from '../../support/desired.ts'
import { parseExposition, sampleOf } from '../admin/exposition-parser.ts'

const refusal = (object: string, message = `${object} was refused`): ObjectFailure => ({
  object,
  code: 'KERNEL_REFUSED',
  message,
  retryAt: 0,
})

function rig() {
  const lines: { readonly level: string; readonly msg: string }[] = []
  const logger = loggerTo({ write: (line: string) => void lines.push(JSON.parse(line)) }, 'debug')
  const status = new Status('ipvs', 30_000, () => 0)
  const build = { version: '0', commit: undefined, node: 'v24' }
  const metrics = new Metrics(build, () => ({ status: 'ready', reasons: [] }), { wall: () => 0, steady: () => 0 })
  return (changes: number, ...failed: readonly ObjectFailure[]): readonly string[] => {
    lines.length = 0
    const applied = changes === 0 ? {} : { 'add-service': changes }
    const report: PassReport = { applied, failed, driftRepaired: 0, foreign: 0, draining: 0 }
    const result: PassResult<PassReport> = { ok: true, report, desired: state([]), scope: 'full', startedAt: 0, finishedAt: 0 }
    recordPass('ipvs', result, undefined, { status, metrics, logger })
    return lines.map(({ level, msg }) => `${level}: ${msg}`)
  }
}

test('what each of several sinks did is counted as its own', async () => {
  const logger = loggerTo({ write: () => {} }, 'silent')
  const status = new Status('ipvs', 30_000, () => 0)
  const build = { version: '0', commit: undefined, node: 'v24' }
  const metrics = new Metrics(build, () => ({ status: 'ready', reasons: [] }), { wall: () => 0, steady: () => 0 })
  const nothing: PassReport = { applied: {}, failed: [], driftRepaired: 0, foreign: 0, draining: 0 }
  const report: PassReport = {
    ...nothing,
    applied: { 'add-service': 1, 'add-element': 2 },
    failed: [refusal('tcp/10.0.0.2:80')],
    parts: [
      { sink: 'ipvs', ok: true, seconds: 0.1, report: { ...nothing, applied: { 'add-service': 1 } } },
      { sink: 'snat', ok: true, seconds: 0.2, report: { ...nothing, applied: { 'add-element': 2 }, driftRepaired: 3 } },
      { sink: 'addresses', ok: false, seconds: 0.3, code: 'NO_PERMISSION', failing: 4, late: true },
    ],
  }
  metrics.passBegan('ipvs', 'full')
  const result: PassResult<PassReport> = { ok: true, report, desired: state([]), scope: 'full', startedAt: 0, finishedAt: 0 }
  recordPass('ipvs', result, { desired: state([]), provenance: new Map(), eventAt: 0 }, { status, metrics, logger })
  const families = parseExposition(await metrics.text())
  const of = (name: string, labels: Record<string, string>) => sampleOf(families, name, labels)
  expect(of('pointsman_sink_changes_total', { sink: 'ipvs', kind: 'add-service' })).toBe(1)
  expect(of('pointsman_sink_changes_total', { sink: 'snat', kind: 'add-element' })).toBe(2)
  expect(of('pointsman_sink_changes_total', { sink: 'ipvs', kind: 'add-element' })).toBeUndefined()
  expect(of('pointsman_sink_drift_repaired_total', { sink: 'snat' })).toBe(3)
  expect(['ipvs', 'snat', 'addresses'].map((sink) => of('pointsman_sink_failing_objects', { sink }))).toEqual([0, 0, 4])
  expect(status.sinks.all(false).find(({ sink }) => sink === 'addresses')).toMatchObject({ state: 'failing', failing_objects: 4 })
  expect(status.firstReconcileDone).toBe(false)
  expect(of('pointsman_sink_pass_failures_total', { sink: 'addresses', code: 'NO_PERMISSION' })).toBe(1)
  for (const sink of ['ipvs', 'snat', 'addresses']) expect(of('pointsman_sink_passes_total', { sink, scope: 'full' })).toBe(1)
  expect(status.failingObjects.map(({ object }) => object)).toEqual(['tcp/10.0.0.2:80'])
  const desired = state([service('tcp/10.0.0.1:80'), service('tcp/10.0.0.2:80')])
  const rejected = { ok: false as const, error: new PointsmanError('KERNEL_REFUSED', 'No.'), desired, scope: 'full' as const }
  recordPass('ipvs', { ...rejected, startedAt: 0, finishedAt: 0 }, undefined, { status, metrics, logger })
  expect(sampleOf(parseExposition(await metrics.text()), 'pointsman_sink_failing_objects', { sink: 'ipvs' })).toBe(2)
})

describe('the log of passes', () => {
  test('names an object when it begins to fail and when it no longer does, not at every try', () => {
    const pass = rig()
    expect(pass(2, refusal('tcp/10.0.0.1:80'))).toEqual(['error: tcp/10.0.0.1:80 was refused', 'info: pass: 2 changes, 1 failed'])
    expect(pass(0, refusal('tcp/10.0.0.1:80'))).toEqual(['debug: pass: 0 changes, 1 failed'])
    expect(pass(0, refusal('tcp/10.0.0.1:80', 'now for another reason'))).toEqual([
      'error: now for another reason',
      'info: pass: 0 changes, 1 failed',
    ])
    expect(pass(1)).toEqual(['info: tcp/10.0.0.1:80 fails no longer', 'info: pass: 1 change, 0 failed'])
    expect(pass(0)).toEqual(['debug: pass: 0 changes, 0 failed'])
  })
})
