import { describe, expect, test } from 'vitest'
import { Metrics } from '../../../src/admin/metrics.ts'
import { recordPass } from '../../../src/daemon/passes.ts'
import { Status } from '../../../src/daemon/status.ts'
import { loggerTo } from '../../../src/log.ts'
import type { PassResult } from '../../../src/pipeline/wire.ts'
import type { ObjectFailure, PassReport } from '../../../src/sinks/sink.ts'
import { state } from '../../support/desired.ts'

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
