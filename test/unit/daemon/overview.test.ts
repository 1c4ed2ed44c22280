import { describe, expect, test } from 'vitest'
import type { BackendStanding } from '../../../src/admin/standing.ts'
import { checkReport } from '../../../src/daemon/check-report.ts'
import { LastTurns } from '../../../src/daemon/last-turns.ts'
import { backendState, Overview, type OverviewParts, sinceWhen, totalsOf } from '../../../src/daemon/overview.ts'
import type { LastResult } from '../../../src/daemon/probe-backends.ts'
import { RecentChanges } from '../../../src/daemon/recent-changes.ts'
import { SinkStandings } from '../../../src/daemon/sink-standings.ts'
import { type Measured, measured, TrafficRates } from '../../../src/daemon/traffic-rates.ts'
import type { StateEvent } from '../../../src/model/state-event.ts'
import { serviceKey } from '../../../src/model/virtual-service.ts'
import { identity, key } from '../../support/desired.ts'
import { counters } from '../admin/readings.ts'

const STANDING: BackendStanding = {
  backend: '10.0.1.1:80',
  admin: { state: 'ready' },
  discovered: { state: 'listed' },
  operational: { state: 'up' },
  weight: 1,
  reasons: [],
}
const kernel = (weight: number) => ({ weight, active: 0, inactive: 0, persistent: 0 })

describe('the three states in one word', () => {
  test.each<[string, Partial<BackendStanding>]>([
    ['up', {}],
    ['unprobed', { operational: { state: 'unprobed' } }],
    ['standby', { weight: 0 }],
    ['standby', { weight: null }],
    ['unknown', { operational: { state: 'unknown' }, weight: 0 }],
    ['down', { operational: { state: 'down' } }],
    ['down', { discovered: { state: 'critical' } }],
    ['drain', { discovered: { state: 'absent' }, weight: null, kernel: kernel(0) }],
    ['foreign', { discovered: { state: 'absent' }, weight: null, kernel: kernel(3) }],
    ['standby', { discovered: { state: 'absent' }, weight: null, kernel: null }],
    ['drain', { admin: { state: 'drain' }, operational: { state: 'down' } }],
    ['maintenance', { admin: { state: 'maintenance' }, operational: { state: 'down' } }],
    ['maintenance', { discovered: { state: 'maintenance' } }],
    ['up', { discovered: { state: 'held' } }],
  ])('%s: %j', (state, more) => {
    expect(backendState({ ...STANDING, ...more })).toBe(state)
  })
})

describe('since when', () => {
  const at = (second: number) => `2026-01-01T00:00:${`${second}`.padStart(2, '0')}.000Z`
  const probed = (state: 'up' | 'down' | 'unknown') => ({ admin: STANDING.admin, operational: { state, since: at(10) } })

  test('what probes say, where that came last', () => {
    expect(sinceWhen('up', probed('up'), { serves: undefined, changed: at(30) })).toBe(at(10))
    expect(sinceWhen('up', probed('up'), { serves: at(5), changed: at(30) })).toBe(at(10))
    expect(sinceWhen('down', probed('down'), { serves: undefined, changed: at(11) })).toBe(at(10))
  })

  test('it is up since it serves, after a maintenance in which probes found it well', () => {
    expect(sinceWhen('up', probed('up'), { serves: at(20), changed: at(30) })).toBe(at(20))
    expect(sinceWhen('unprobed', STANDING, { serves: at(20), changed: at(30) })).toBe(at(20))
  })

  test('the change in the kernel where nothing else bears a time', () => {
    expect(sinceWhen('down', probed('up'), { serves: undefined, changed: at(30) })).toBe(at(30))
    expect(sinceWhen('unprobed', STANDING, { serves: undefined, changed: at(30) })).toBe(at(30))
  })

  test('it serves since it came to have a weight, whatever weights it had since', () => {
    const [service, destination] = [serviceKey(identity('tcp/10.0.0.1:80')), key('10.0.1.1:80')]
    const turns = new LastTurns()
    const served: (string | undefined)[] = []
    const path = ['foreign', 'weight 3', 'weight 0', 'weight 5', 'weight 7, direct', 'draining', 'weight 1', 'absent', 'weight 2']
    for (const [second, to] of path.entries()) {
      const from = path[second - 1]
      if (from === undefined) continue
      turns.note({ service, name: 'web', destination, from, to, cause: 'discovery', reasons: [] }, Date.parse(at(second)))
      served.push(turns.servesSince(service, destination))
    }
    expect(served).toEqual([undefined, undefined, at(3), at(3), undefined, at(6), undefined, at(8)])
    expect(turns.of(service, destination)).toEqual({ at: at(8), from: 'absent', to: 'weight 2', cause: 'discovery' })
  })
})

describe('the totals of a service', () => {
  const held = { weight: 2, active: 3, inactive: 4, persistent: 5 }

  test('are the sums of its backends', () => {
    expect(
      totalsOf(
        [
          { ...STANDING, kernel: held },
          { ...STANDING, weight: null, kernel: null },
        ],
        true,
      ),
    ).toEqual({
      backends: 2,
      serving: 1,
      weight: 1,
      kernel_weight: 2,
      active: 3,
      inactive: 4,
      persistent: 5,
    })
  })

  test('say who serves by the kernel, whatever is wanted', () => {
    const refused = { ...STANDING, kernel: null }
    const zeroed = { ...STANDING, kernel: kernel(0) }
    const foreign = { ...STANDING, weight: null, kernel: kernel(7) }
    expect(totalsOf([refused, zeroed], true)).toMatchObject({ backends: 2, serving: 0, weight: 2, kernel_weight: 0 })
    expect(totalsOf([foreign], true)).toMatchObject({ serving: 1, weight: 0, kernel_weight: 7 })
  })

  test('leave out what the kernel could not be asked', () => {
    expect(totalsOf([STANDING], false)).toEqual({ backends: 1, serving: 1, weight: 1 })
    expect(totalsOf([], true)).toMatchObject({ active: 0 })
  })
})

describe("the last check in HAProxy's words", () => {
  const passed = (kind: LastResult['kind'], at = 1_000): LastResult => ({
    kind,
    result: { outcome: 'passed' },
    took: 12.4,
    at,
    failures: 0,
  })
  const failed = (
    kind: LastResult['kind'],
    failure: 'refused' | 'timed-out' | 'tls' | 'no-answer' | 'wrong-answer',
  ): LastResult => ({
    kind,
    result: { outcome: 'failed', failure, message: 'no' },
    took: 3,
    at: 500,
    failures: 1,
  })

  test.each<[string, LastResult]>([
    ['L4OK', passed('tcp')],
    ['L6OK', passed('tls')],
    ['L7OK', passed('http')],
    ['L7OK', passed('exec')],
    ['L4CON', failed('http', 'refused')],
    ['L4TOUT', failed('tcp', 'timed-out')],
    ['L6RSP', failed('http', 'tls')],
    ['L7TOUT', failed('http', 'no-answer')],
    ['L7RSP', failed('http', 'wrong-answer')],
    ['L7RSP', failed('tcp', 'wrong-answer')],
    ['UNK', { kind: 'http', result: { outcome: 'unknown', message: 'no' }, took: 0, at: 0, failures: 0 }],
  ])('%s', (code, result) => {
    expect(checkReport([result])?.code).toBe(code)
  })

  test('of several the gravest, and of those the latest', () => {
    expect(checkReport([passed('tcp', 1), failed('http', 'refused'), passed('tls', 900)])?.kind).toBe('http')
    expect(checkReport([passed('tcp', 1), passed('tls', 900)])).toEqual({
      kind: 'tls',
      code: 'L6OK',
      layer: 'L6',
      result: 'passed',
      at: '1970-01-01T00:00:00.900Z',
      duration_seconds: 0.012,
    })
    expect(checkReport([])).toBeUndefined()
  })
})

describe('rates', () => {
  /** What looks at these moments and totals say of new connections; `-`: nothing. */
  const looks = (...readings: readonly (readonly [at: number, total: number])[]) => {
    let before: Measured | undefined
    return readings.map(([at, total]) => {
      before = measured(before, { counters: counters(BigInt(total)), at })
      return before.rates?.connections ?? '-'
    })
  }
  /** Ten connections a second, added up every two seconds; looked at every `interval` milliseconds. */
  const steady = (interval: number) =>
    looks(...Array.from({ length: 40 }, (_, at) => [at * interval, Math.floor((at * interval + 400) / 2_000) * 20] as const))

  test('are the difference a second, of each counter its own', () => {
    const first = measured(undefined, { counters: counters(100n), at: 0 })
    expect(first.rates).toBeUndefined()
    expect(measured(first, { counters: counters(104n), at: 1_000 }).rates).toEqual({
      connections: 2,
      packets_in: 4,
      packets_out: 6,
      bytes_in: 10,
      bytes_out: 14,
    })
    expect(looks([0, 0], [3_000, 1])).toEqual(['-', 0.3])
  })

  test.each([1_000, 1_003, 997, 1_300, 1_999])('are steady where traffic is, with a look every %i ms', (interval) => {
    const [, , , ...rates] = steady(interval)
    expect(new Set(rates)).toEqual(new Set([10]))
  })

  test.each([2_500, 3_000, 5_000])('are near the truth where looks are rare: every %i ms', (interval) => {
    const [, , ...rates] = steady(interval).map(Number)
    for (const rate of rates) expect(Math.abs(rate - 10)).toBeLessThanOrEqual(2)
  })

  test('are 0 soon after the traffic ended, and at once what they are when it begins', () => {
    const readings = [0, 0, 0, 0, 8, 8, 16, 16, 16, 16, 16].map((total, second) => [second * 1_000, total] as const)
    expect(looks(...readings)).toEqual(['-', '-', '-', 0, 4, 4, 4, 4, 4, 0, 0])
  })

  test('an object that began again counts from zero, and is never negative', () => {
    expect(looks([0, 100], [1_000, 4])).toEqual(['-', 2])
  })

  test('two readings that are far apart say nothing of now', () => {
    expect(looks([0, 0], [60_000, 60], [120_001, 180], [120_001, 180])).toEqual(['-', 1, '-', '-'])
  })

  test('are of each object its own, and forgotten with it', () => {
    const [web, backend] = [serviceKey(identity('tcp/10.0.0.1:80')), key('10.0.1.1:80')]
    const first = new TrafficRates(undefined, 0)
    first.of(web, undefined, counters(10n))
    first.of(web, backend, counters(20n))
    const second = new TrafficRates(first, 1_000)
    expect(second.of(web, undefined, counters(12n))?.connections).toBe(1)
    expect(second.of(web, backend, counters(26n))?.connections).toBe(3)
    const third = new TrafficRates(new TrafficRates(second, 2_000), 3_000)
    expect(third.of(web, backend, counters(30n))).toBeUndefined()
  })
})

describe('the last changes', () => {
  const down = (backend: string): StateEvent => ({
    kind: 'health',
    service: 'web',
    vip: serviceKey(identity('tcp/10.0.0.1:80')),
    backend: key(backend),
    from: 'up',
    to: 'down',
    cause: 'probe',
    reasons: ['refused'],
  })
  const vip = 'tcp/10.0.0.1:80'

  test('are remembered in their order, the oldest go, and their numbers rise', () => {
    const changes = new RecentChanges(() => 0)
    for (let at = 0; at < 250; at++) changes.note(down('10.0.1.1:80'), () => true)
    expect(changes.last).toHaveLength(200)
    expect([changes.last[0]?.id, changes.last.at(-1)?.id]).toEqual([50, 249])
    expect(changes.last[0]).toEqual({
      id: 50,
      at: '1970-01-01T00:00:00.000Z',
      kind: 'health',
      service: 'web',
      backend: '10.0.1.1:80',
      from: 'up',
      to: 'down',
      cause: 'probe',
      reasons: ['refused'],
    })
    expect(changes.outages(vip, '10.0.1.1:80').times).toBe(250)
    expect(changes.outages(vip, '10.0.1.2:80').times).toBe(0)
  })

  test('a pool that changes all its members for ever does not fill the memory', () => {
    const changes = new RecentChanges(() => 0)
    const asked = new Set<string>()
    for (let at = 0; at < 5_000; at++) {
      changes.note(down(`10.0.${at >> 8}.${at & 255}:80`), (_, backend = '') => {
        asked.add(backend)
        return backend === '10.0.0.7:80'
      })
    }
    // All that had gone were asked about and dropped; who is there keeps its number.
    expect(asked.size).toBeGreaterThan(4_000)
    expect(changes.outages(vip, '10.0.0.7:80').times).toBe(1)
    expect(changes.outages(vip, '10.0.0.8:80').times).toBe(0)
  })
})

describe('sinks', () => {
  const report = { failed: [], driftRepaired: 2, foreign: 1, draining: 3 }

  test('stand as their last pass ended; drift adds up; the last success stays', () => {
    const sinks = new SinkStandings()
    sinks.note({ sink: 'ipvs', at: 1_000, good: true, report })
    sinks.note({ sink: 'snat', at: 1_000, good: true, report })
    sinks.note({ sink: 'ipvs', at: 2_000, good: true, report })
    sinks.note({ sink: 'ipvs', at: 3_000, good: false, failure: 'The kernel refuses.' })
    const [ipvs, snat] = sinks.all(false)
    expect(ipvs).toEqual({
      sink: 'ipvs',
      state: 'failing',
      last_pass: '1970-01-01T00:00:03.000Z',
      last_success: '1970-01-01T00:00:02.000Z',
      failure: 'The kernel refuses.',
      failing_objects: 0,
      drift_repaired: 4,
      foreign: 1,
      draining: 3,
    })
    expect(snat?.state).toBe('good')
    expect(sinks.all(true).map(({ state }) => state)).toEqual(['stuck', 'stuck'])
  })

  test('one object that fails makes a sink failing', () => {
    const sinks = new SinkStandings()
    const failed = [{ object: 'tcp/10.0.0.1:80', code: 'KERNEL_REFUSED', message: 'no', retryAt: 0 }]
    sinks.note({ sink: 'ipvs', at: 0, good: true, report: { ...report, failed } })
    expect(sinks.all(false)[0]).toMatchObject({ state: 'failing', failing_objects: 1 })
  })
})

test('a kernel that cannot be asked is said, and the rest is there', async () => {
  const parts: OverviewParts = {
    about: { instance: 'pointsman', version: '1' },
    startedAt: 0,
    pause: () => undefined,
    health: () => ({ status: 'ready', reasons: [] }),
    update: () => undefined,
    words: () => new Map(),
    sources: () => new Map(),
    failing: () => [],
    sinks: () => [],
    readTable: () => Promise.reject(new Error('It is stuck.')),
    lastTurn: () => undefined,
    servesSince: () => undefined,
    lastResults: () => () => [],
    changes: { last: [], outages: () => ({ times: 0, ended: 0 }) },
    now: () => 0,
  }
  expect(await new Overview(parts).collect()).toMatchObject({ kernel_error: 'It is stuck.', services: [] })
})
