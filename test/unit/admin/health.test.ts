import { describe, expect, test } from 'vitest'
import { type HealthFacts, judgeHealth } from '../../../src/admin/health.ts'

const GOOD: HealthFacts = {
  startedAt: 0,
  resyncInterval: 30_000,
  withoutData: [],
  firstReconcileDone: true,
  sinks: [{ name: 'ipvs', lastSuccess: 100_000, failingObjects: [] }],
  failingSources: [],
  heldRemovals: [],
  pools: [],
  restartNeeded: [],
}

describe('not ready', () => {
  test('before the first reconcile', () => {
    const health = judgeHealth({ ...GOOD, firstReconcileDone: false }, 100_000)
    expect(health.status).toBe('not-ready')
    expect(health.reasons.map(({ reason }) => reason)).toEqual(['starting'])
  })

  test('a sink without success for more than three resync intervals, and not a moment earlier', () => {
    expect(judgeHealth(GOOD, 190_000).status).toBe('ready')
    const health = judgeHealth(
      { ...GOOD, sinks: [{ name: 'ipvs', lastSuccess: 100_000, failure: 'No kernel.', failingObjects: [] }] },
      190_001,
    )
    expect(health.status).toBe('not-ready')
    expect(health.reasons[0]).toEqual({
      reason: 'sink-stale',
      message: 'The ipvs sink has had no good pass for 90 s (No kernel).',
    })
  })

  test('a sink that never had a good pass is measured from the start', () => {
    const sinks = [{ name: 'ipvs', failingObjects: [] }]
    expect(judgeHealth({ ...GOOD, sinks }, 90_000).status).toBe('ready')
    expect(judgeHealth({ ...GOOD, sinks }, 90_001).status).toBe('not-ready')
  })

  test('a stuck kernel', () => {
    const health = judgeHealth({ ...GOOD, stuck: 'The kernel does not answer.' }, 100_000)
    expect(health.status).toBe('not-ready')
    expect(health.reasons[0]).toEqual({ reason: 'stuck', message: 'The kernel does not answer.' })
  })
})

describe('degraded, which is ready with a warning', () => {
  test.each<[string, Partial<HealthFacts>]>([
    ['no-data', { withoutData: ['web'] }],
    ['removals-held', { heldRemovals: [{ service: 'web', source: 'file /x', count: 2 }] }],
    ['failures-held', { pools: [{ service: 'web', mode: 'normal', heldFailures: 2 }] }],
    ['panic', { pools: [{ service: 'web', mode: 'panic', heldFailures: 0 }] }],
    ['sorry-server', { pools: [{ service: 'web', mode: 'sorry', heldFailures: 0 }] }],
    ['nobody-serves', { pools: [{ service: 'web', mode: 'nobody', heldFailures: 0 }] }],
    ['quorum-lost', { pools: [{ service: 'web', mode: 'normal', hasQuorum: false, heldFailures: 0 }] }],
    ['source-failing', { failingSources: [{ source: 'web: file /x', message: 'gone' }] }],
    ['config-rejected', { configRejected: 'line 3 is bad' }],
    ['admin-unserved', { adminUnserved: 'The admin address is taken.' }],
    ['restart-needed', { restartNeeded: ['admin'] }],
    ['sink-failing', { sinks: [{ name: 'ipvs', lastSuccess: 100_000, failure: 'busy', failingObjects: [] }] }],
    [
      'object-failing',
      { sinks: [{ name: 'ipvs', lastSuccess: 100_000, failingObjects: [{ object: 'tcp/1', message: 'no scheduler' }] }] },
    ],
  ])('%s', (reason, facts) => {
    const health = judgeHealth({ ...GOOD, ...facts }, 100_000)
    expect(health.status).toBe('degraded')
    expect(health.reasons.map((each) => each.reason)).toEqual([reason])
  })

  test('ten thousand failing objects are five sentences and a number', () => {
    const failingObjects = Array.from({ length: 10_000 }, (_, i) => ({ object: `o${i}`, message: `m${i}` }))
    const { reasons } = judgeHealth({ ...GOOD, sinks: [{ name: 'ipvs', lastSuccess: 100_000, failingObjects }] }, 100_000)
    expect(reasons.map(({ message }) => message)).toEqual([
      'm0',
      'm1',
      'm2',
      'm3',
      'm4',
      '9995 more objects fail in the ipvs sink.',
    ])
  })
})

test('nothing wrong is ready, with nothing to say', () => {
  expect(judgeHealth(GOOD, 100_000)).toEqual({ status: 'ready', reasons: [] })
})
