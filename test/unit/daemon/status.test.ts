import { describe, expect, test } from 'vitest'
import { FIRST_ANSWER, Status } from '../../../src/daemon/status.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import type { DesiredUpdate, SourceStatus } from '../../../src/pipeline/desired-update.ts'
import { identity, state } from '../../support/desired.ts'

const WEB = serviceKey(identity('tcp/10.0.0.1:80'))
const FAILURE = { code: 'SOURCE_UNREADABLE', message: 'gone', at: 1 }

function source(more: Partial<SourceStatus>): SourceStatus {
  return {
    service: WEB,
    name: 'web',
    source: 'file x',
    state: 'pending',
    records: 0,
    heldRemovals: 0,
    updates: 0,
    quarantined: 0,
    since: 0,
    ...more,
  }
}

/** An update that was made while the sources stood so. */
function updateWith(...sources: SourceStatus[]): DesiredUpdate {
  const provenance = new Map([[WEB, { sources }]]) as unknown as DesiredUpdate['provenance']
  return { desired: state([]), provenance, eventAt: 0 }
}

function rig() {
  let now = 1_000
  const status = new Status('ipvs', 30_000, () => now)
  return {
    status,
    pass: (time: number) => (now += time),
    say: (each: SourceStatus) => status.sourceChanged({ kind: 'status', status: each }),
  }
}

describe('the first reconcile', () => {
  test('without sources it is the first pass', () => {
    const { status } = rig()
    expect(status.firstReconcileDone).toBe(false)
    status.passEnded(updateWith(), true, [])
    expect(status.firstReconcileDone).toBe(true)
  })

  test('waits for a source that has not spoken, and then for the pass that holds its answer', () => {
    const { status, say } = rig()
    say(source({}))
    status.passEnded(updateWith(source({})), true, [])
    expect(status.firstReconcileDone).toBe(false)
    say(source({ state: 'up', answeredAt: 5 }))
    expect(status.firstReconcileDone).toBe(false)
    status.passEnded(updateWith(source({ state: 'up', answeredAt: 5 })), true, [])
    expect(status.firstReconcileDone).toBe(true)
  })

  test('does not wait for a source that failed: it has no data', () => {
    const { status, say } = rig()
    say(source({}))
    status.passEnded(updateWith(source({})), true, [])
    say(source({ failure: FAILURE }))
    expect(status.firstReconcileDone).toBe(true)
    expect(status.withoutData).toEqual(['web'])
  })

  test('does not wait for ever for one that says nothing', () => {
    const { status, say, pass } = rig()
    say(source({}))
    status.passEnded(updateWith(source({})), true, [])
    pass(FIRST_ANSWER - 1)
    status.lookForReadiness()
    expect(status.firstReconcileDone).toBe(false)
    pass(1)
    status.lookForReadiness()
    expect(status.firstReconcileDone).toBe(true)
  })

  test('waits for what a pass did not wait for, and not for ever', () => {
    const { status, pass } = rig()
    status.passEnded(updateWith(), true, [], true)
    expect(status.firstReconcileDone).toBe(false)
    status.passEnded(updateWith(), true, [], true)
    pass(FIRST_ANSWER - 1)
    status.lookForReadiness()
    expect(status.firstReconcileDone).toBe(false)
    const other = rig().status
    other.passEnded(updateWith(), true, [], true)
    other.passEnded(updateWith(), true, [{ object: WEB, code: 'NFT_MISSING', message: 'no', retryAt: 0 }])
    expect(other.firstReconcileDone).toBe(true)
    pass(1)
    status.lookForReadiness()
    expect(status.firstReconcileDone).toBe(true)
  })

  test('is not done before any pass, however long it takes, and once done stays so', () => {
    const { status, say, pass } = rig()
    pass(10 * FIRST_ANSWER)
    status.lookForReadiness()
    expect(status.firstReconcileDone).toBe(false)
    status.passEnded(updateWith(), true, [])
    say(source({}))
    expect(status.firstReconcileDone).toBe(true)
  })
})

test('facts: success only of good passes, failures of the last one, sources that fail by name', () => {
  const { status, say } = rig()
  const failed = [{ object: WEB, code: 'KERNEL_REFUSED', message: 'no scheduler', retryAt: 0 }]
  status.passEnded(updateWith(), false, failed)
  say(source({ state: 'stale', failure: FAILURE }))
  expect(status.facts()).toMatchObject({
    sinks: [{ name: 'ipvs', failingObjects: failed }],
    failingSources: [{ source: 'web: file x', message: 'gone' }],
    withoutData: [],
  })
  expect(status.facts().sinks[0]?.lastSuccess).toBeUndefined()
  status.passRejected('No kernel.')
  expect(status.facts().sinks[0]?.failure).toBe('No kernel.')
  status.passEnded(updateWith(), true, [])
  expect(status.facts().sinks[0]).toEqual({ name: 'ipvs', lastSuccess: 1_000, failingObjects: [] })
  status.sourceChanged({ kind: 'gone', status: source({}) })
  expect(status.facts().failingSources).toEqual([])
})
