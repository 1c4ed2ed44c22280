import { describe, expect, test } from 'vitest'
import { chainOf } from '../../../src/admin/page/chain.js'
import { newsOf } from '../../../src/admin/page/tables.js'
import {
  downtimeText,
  durationText,
  hasBeenDown,
  isProblem,
  shortText,
  spanText,
  stateText,
  sumOf,
  TONES,
  toneOf,
  troublesOf,
  wholeText,
} from '../../../src/admin/page/text.js'
import { BACKEND_STATES } from '../../../src/admin/status-schema.ts'
import { backendReport, serviceReport } from './reports.ts'

describe('numbers', () => {
  test.each([
    [0, '0'],
    [7, '7'],
    [7.4, '7.4'],
    [99.5, '100'],
    [512, '512'],
    [999.6, '1.0k'],
    [1_000, '1.0k'],
    [9_949, '9.9k'],
    [9_960, '10k'],
    [999_400, '999k'],
    [999_600, '1.0M'],
    [1_234_567_890, '1.2G'],
    [undefined, '–'],
  ])('%s is %s', (value, text) => {
    expect(shortText(value)).toBe(text)
  })

  test('whole ones have thousands apart, and a dash is what is not known', () => {
    expect([wholeText(1_234_567), wholeText(0), wholeText(null), wholeText(undefined)]).toEqual(['1,234,567', '0', '–', '–'])
  })

  test('a sum is of what is known, and not known where nothing is', () => {
    expect([sumOf([1, undefined, 2]), sumOf([0]), sumOf([]), sumOf([undefined, undefined])]).toEqual([3, 0, 0, undefined])
  })

  test('times are as `pointsman status` says them', () => {
    expect([-5, 1_999, 119_999, 120_000, 7_200_000, 200_000_000].map(spanText)).toEqual(['0s', '1s', '119s', '2m', '2h', '2d'])
    expect([0.0004, 0.24, 1.25].map(durationText)).toEqual(['0ms', '240ms', '1.3s'])
  })
})

test('downtime has the outage that goes on in it, and a clock that is behind takes nothing away', () => {
  const since = '2026-01-01T00:00:00.000Z'
  const at = (seconds: number) => Date.parse(since) + seconds * 1_000
  expect(downtimeText({ seconds: 65 }, at(0))).toBe('65s')
  expect(downtimeText({ seconds: 65, since }, at(120))).toBe('3m')
  expect(downtimeText({ seconds: 65, since }, at(-900))).toBe('65s')
  expect([{ seconds: 0 }, { seconds: 0.4 }, { seconds: 0, since }].map(hasBeenDown)).toEqual([false, true, true])
})

test('every state has a word and a colour', () => {
  for (const state of BACKEND_STATES) expect(Object.keys(TONES)).toContain(state)
  expect(BACKEND_STATES.map(stateText)).toEqual(['maint', 'drain', 'foreign', 'down', 'unknown', 'standby', 'no check', 'up'])
  expect(toneOf('constructor')).toBe('none')
})

describe('problems', () => {
  test('whoever serves as he should is none', () => {
    expect(isProblem(backendReport('10.0.0.1:80'))).toBe(false)
    expect(isProblem(backendReport('10.0.0.1:80', { state: 'unprobed' }))).toBe(false)
  })

  test.each([
    { state: 'down' as const },
    { state: 'drain' as const },
    { state: 'unknown' as const },
    { discovered: { state: 'held' as const } },
    { kernel: null },
    { weight: 5 },
    { kernel: { weight: 0, active: 0, inactive: 0, persistent: 0 } },
  ])('%j is one', (more) => {
    expect(isProblem(backendReport('10.0.0.1:80', more))).toBe(true)
  })

  test('those of a service in a few words', () => {
    const backends = [backendReport('10.0.0.1:80')]
    expect(troublesOf(serviceReport('web', backends))).toEqual([])
    const source = { source: 'consul web', state: 'stale' as const, since: '', records: 3, held_removals: 2 }
    const quorum = { has: false, since: '', measure: 1, min: 2, by: 'count' as const }
    const troubled = serviceReport('web', backends, {
      complete: false,
      pool: { mode: 'panic', quorum, announced: false, held_failures: ['10.0.0.1:80'] },
      failures: ['refused'],
      sources: [source, { ...source, source: 'dns b', state: 'up', held_removals: 0, partial: true }],
    })
    expect(troublesOf(troubled)).toEqual([
      'panic',
      'quorum lost: 1 of 2',
      'not announced',
      '1 failure held',
      '2 removals held',
      'source stale',
      'source may lack backends',
      'not every source has answered',
      '1 failing object',
    ])
  })
})

test('why a backend has its weight, step by step', () => {
  const at = '2026-01-01T00:00:00.000Z'
  const source = { source: 'consul web', state: 'up' as const, since: at, answered: at, records: 4, held_removals: 0 }
  const backend = backendReport('10.0.0.1:80', {
    state: 'down',
    admin: { state: 'drain', since: at, reason: 'new disk' },
    discovered: { state: 'passing', by: 'consul web' },
    operational: { state: 'down', since: at, message: 'it refused the connection' },
    weight: 0,
    reasons: ['it is down', 'passing in consul web'],
    kernel: { weight: 0, active: 3, inactive: 1, persistent: 2 },
    check: { kind: 'http', code: 'L4CON', layer: 'L4', result: 'failed', at, duration_seconds: 0.01, message: 'refused' },
    failed_probes: 5,
    times_down: 2,
    downtime: { seconds: 30, since: at },
    changed: { at, from: 'weight 1', to: 'weight 0', cause: 'probe' },
  })
  const others = { ...source, source: 'static' }
  const chain = chainOf(serviceReport('web', [backend], { sources: [others, source] }), backend, Date.parse(at) + 60_000)
  expect(chain).toEqual([
    ['Source', 'consul web: up for 60s, answered 60s ago, 4 backends'],
    ['Discovered', 'passing, listed by consul web'],
    ['Operational', 'down for 60s: it refused the connection'],
    ['Last check', 'http L4CON in 10ms, 60s ago: refused'],
    ['', '5 probes failed since the checks began'],
    ['Outages', '2 times down since the daemon began, for 90s in all'],
    ['Admin', 'drain for 60s: new disk'],
    ['Wanted', 'weight 0'],
    ['Because', 'it is down'],
    ['', 'passing in consul web'],
    ['Kernel', 'weight 0, 3 active and 1 inactive connections, 2 persistent'],
    ['Last change', 'weight 1 → weight 0, 60s ago (probe)'],
  ])
})

test('news are grave changes, and many are a number', () => {
  const change = { id: 1, at: '', kind: 'health', service: 'web', from: 'up', to: 'down', cause: 'probe', reasons: [] }
  const grave = { ...change, backend: '10.0.0.1:80', grave: true as const }
  expect(newsOf([change])).toBe('')
  expect(newsOf([change, grave, { ...grave, backend: '10.0.0.2:80' }])).toBe('web 10.0.0.1:80: down. web 10.0.0.2:80: down.')
  expect(newsOf(Array.from({ length: 12 }, () => grave))).toBe('12 changes for the worse.')
})
