import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Health } from '../../../src/admin/health.ts'
import { DEFINITIONS } from '../../../src/admin/metric-definitions.ts'
import { Metrics } from '../../../src/admin/metrics.ts'
import { Scrape, type TrafficInput } from '../../../src/admin/scrape.ts'
import { STATE_FAMILIES } from '../../../src/admin/state-text.ts'
import { BACKEND_FAMILIES, SERVICE_FAMILIES } from '../../../src/admin/traffic-text.ts'
import { TRANSLATION_FAMILY } from '../../../src/admin/translation-text.ts'
import { type ServiceKey, serviceKey } from '../../../src/model/virtual-service.ts'
import { parseExposition, sampleOf } from './exposition-parser.ts'
import { destination, service, table, WEB } from './readings.ts'

const BUILD = { version: '1.2.3', commit: 'abc', node: 'v24.0.0' }
const READY: Health = { status: 'ready', reasons: [] }
const SOURCE = {
  name: 'web',
  source: 'file /etc/web.yaml',
  state: 'up',
  records: 3,
  quarantined: 2,
  updates: 4,
  heldRemovals: 0,
  answeredAt: 1_000_000,
} as const
const LABELS = { service: 'web', source: 'file /etc/web.yaml' }
const PASS = {
  applied: { 'add-service': 2, 'edit-service': 0 },
  failed: [{ code: 'KERNEL_REFUSED' }],
  driftRepaired: 4,
  foreign: 5,
  draining: 6,
}

function newMetrics(health: () => Health = () => READY) {
  return new Metrics(BUILD, health, { wall: () => 1_060_000, steady: () => 1_060_000 })
}

const parsed = async (metrics: Metrics) => parseExposition(await metrics.text())

async function textOf(scrape: Scrape): Promise<string> {
  let text = ''
  for await (const piece of scrape.text()) text += piece
  return text
}

describe('what is exported', () => {
  test('a fresh process shows valid text and no value that nobody measured', async () => {
    const families = await parsed(newMetrics())
    expect(sampleOf(families, 'pointsman_build_info')).toBe(1)
    expect(families.get('pointsman_build_info')?.samples[0]?.labels).toEqual(BUILD)
    expect(sampleOf(families, 'pointsman_kernel_stuck')).toBe(0)
    expect(sampleOf(families, 'pointsman_expire_nodest_conn')).toBeUndefined()
    expect(sampleOf(families, 'pointsman_config_last_load_success_timestamp_seconds')).toBeUndefined()
    expect(sampleOf(families, 'pointsman_config_loads_total', { result: 'rejected' })).toBe(0)
    expect(sampleOf(families, 'process_resident_memory_bytes')).toBeGreaterThan(1e6)
  })

  test('probes', async () => {
    const metrics = newMetrics()
    metrics.probeBegan(0.004)
    metrics.probed('http', 'failed', 0.03)
    const families = await parsed(metrics)
    expect(sampleOf(families, 'pointsman_probes_total', { type: 'http', result: 'failed' })).toBe(1)
    const took = families
      .get('pointsman_probe_duration_seconds')
      ?.samples.map(({ labels, value }) => [labels['type'], labels['le'], value])
    expect(took).toContainEqual(['http', '0.025', 0])
    expect(took).toContainEqual(['http', '0.05', 1])
    const lateness = families.get('pointsman_probe_lateness_seconds')?.samples.map(({ labels, value }) => [labels['le'], value])
    expect(lateness).toContainEqual(['0.0025', 0])
    expect(lateness).toContainEqual(['0.005', 1])
  })

  test('passes', async () => {
    const metrics = newMetrics()
    metrics.passBegan('ipvs', 'full')
    metrics.passEnded('ipvs', 'full', PASS, true, 0.02)
    metrics.passBegan('ipvs', 'changes')
    metrics.passRejected('ipvs', 'changes', 'IPVS_MISSING', 0.3, 7)
    const families = await parsed(metrics)
    expect(sampleOf(families, 'pointsman_sink_passes_total', { sink: 'ipvs', scope: 'full' })).toBe(1)
    expect(sampleOf(families, 'pointsman_sink_pass_failures_total', { sink: 'ipvs', code: 'IPVS_MISSING' })).toBe(1)
    expect(sampleOf(families, 'pointsman_sink_object_failures_total', { code: 'KERNEL_REFUSED' })).toBe(1)
    expect(sampleOf(families, 'pointsman_sink_changes_total', { kind: 'add-service' })).toBe(2)
    expect(sampleOf(families, 'pointsman_sink_changes_total', { kind: 'edit-service' })).toBeUndefined()
    expect(sampleOf(families, 'pointsman_sink_drift_repaired_total')).toBe(4)
    expect(sampleOf(families, 'pointsman_sink_foreign_objects')).toBe(5)
    expect(sampleOf(families, 'pointsman_sink_draining_objects')).toBe(6)
    expect(sampleOf(families, 'pointsman_sink_failing_objects')).toBe(7)
    expect(sampleOf(families, 'pointsman_sink_last_success_timestamp_seconds')).toBe(1060)
  })

  test('a pass that is not good leaves the last success where it was', async () => {
    const metrics = newMetrics()
    metrics.passEnded('ipvs', 'full', PASS, false, 0.02)
    expect(sampleOf(await parsed(metrics), 'pointsman_sink_last_success_timestamp_seconds')).toBeUndefined()
  })

  test('sources: up, age, records, errors by code; gone without a trace', async () => {
    const metrics = newMetrics()
    metrics.sourceChanged(SOURCE, undefined)
    let families = await parsed(metrics)
    expect(sampleOf(families, 'pointsman_source_up', LABELS)).toBe(1)
    expect(sampleOf(families, 'pointsman_source_age_seconds', LABELS)).toBe(60)
    metrics.sourceChanged({ ...SOURCE, state: 'stale' }, 'SOURCE_UNREADABLE')
    families = await parsed(metrics)
    expect(sampleOf(families, 'pointsman_source_up', LABELS)).toBe(0)
    expect(sampleOf(families, 'pointsman_source_records', LABELS)).toBe(3)
    expect(sampleOf(families, 'pointsman_source_quarantined', LABELS)).toBe(2)
    expect(sampleOf(families, 'pointsman_source_errors_total', { ...LABELS, code: 'SOURCE_UNREADABLE' })).toBe(1)
    metrics.sourceGone('web', SOURCE.source)
    expect(await metrics.text()).not.toContain('/etc/web.yaml')
  })

  test('sources: an outage begins when one that was up fails, and not when it is opened anew', async () => {
    const metrics = newMetrics()
    const outages = async () => sampleOf(await parsed(metrics), 'pointsman_source_outages_total', LABELS)
    metrics.sourceChanged(SOURCE, undefined)
    metrics.sourceChanged({ ...SOURCE, state: 'pending' }, undefined)
    metrics.sourceChanged(SOURCE, undefined)
    expect(await outages()).toBe(0)
    metrics.sourceChanged({ ...SOURCE, state: 'pending' }, undefined)
    metrics.sourceChanged({ ...SOURCE, state: 'stale' }, 'SOURCE_UNREADABLE')
    metrics.sourceChanged({ ...SOURCE, state: 'stale' }, undefined)
    expect(await outages()).toBe(1)
  })

  test('sources: updates go on counting when a source is opened anew, and held removals are a number', async () => {
    const metrics = newMetrics()
    const updates = async () => sampleOf(await parsed(metrics), 'pointsman_source_updates_total', LABELS)
    metrics.sourceChanged(SOURCE, undefined)
    expect(await updates()).toBe(4)
    metrics.sourceChanged({ ...SOURCE, updates: 6, heldRemovals: 3 }, undefined)
    expect(await updates()).toBe(6)
    expect(sampleOf(await parsed(metrics), 'pointsman_source_held_removals', LABELS)).toBe(3)
    metrics.sourceChanged({ ...SOURCE, updates: 0 }, undefined)
    expect(await updates()).toBe(6)
    metrics.sourceChanged({ ...SOURCE, updates: 1 }, undefined)
    expect(await updates()).toBe(7)
    expect(sampleOf(await parsed(metrics), 'pointsman_source_held_removals', LABELS)).toBe(0)
  })

  test('sources: whether an answer may lack backends', async () => {
    const metrics = newMetrics()
    const partial = async () => sampleOf(await parsed(metrics), 'pointsman_source_partial', LABELS)
    metrics.sourceChanged({ ...SOURCE, partial: true }, undefined)
    expect(await partial()).toBe(1)
    metrics.sourceChanged(SOURCE, undefined)
    expect(await partial()).toBe(0)
  })

  test('an outage is counted when it begins, a source that never answered has none', async () => {
    const metrics = newMetrics()
    const outages = async () => sampleOf(await parsed(metrics), 'pointsman_source_outages_total', LABELS)
    metrics.sourceChanged({ ...SOURCE, state: 'pending' }, 'SOURCE_UNREADABLE')
    expect(await outages()).toBe(0)
    for (const state of ['up', 'stale', 'stale', 'up', 'stale'] as const) metrics.sourceChanged({ ...SOURCE, state }, undefined)
    expect(await outages()).toBe(2)
    metrics.sourceGone('web', SOURCE.source)
    expect(await outages()).toBeUndefined()
  })

  test('what is asked for each answer: delays of the main thread, drains beyond their deadline', async () => {
    const metrics = newMetrics()
    let late: { median: number; p99: number; most: number } | undefined
    metrics.askEachTime({ eventLoop: () => late, overdueDrains: () => ({ ipvs: 3 }) })
    expect(sampleOf(await parsed(metrics), 'pointsman_event_loop_delay_seconds')).toBeUndefined()
    late = { median: 0.001, p99: 0.02, most: 0.3 }
    const families = await parsed(metrics)
    expect(sampleOf(families, 'pointsman_event_loop_delay_seconds', { stat: 'p50' })).toBe(0.001)
    expect(sampleOf(families, 'pointsman_event_loop_delay_seconds', { stat: 'p99' })).toBe(0.02)
    expect(sampleOf(families, 'pointsman_event_loop_delay_seconds', { stat: 'max' })).toBe(0.3)
    expect(sampleOf(families, 'pointsman_sink_overdue_drains', { sink: 'ipvs' })).toBe(3)
  })

  test('a hash of 53 bits is written to the last digit, and goes when it is not known', async () => {
    const metrics = newMetrics()
    metrics.stateHash('desired', Number.MAX_SAFE_INTEGER)
    expect(await metrics.text()).toContain('pointsman_state_hash{state="desired"} 9007199254740991\n')
    metrics.stateHash('desired', undefined)
    expect(sampleOf(await parsed(metrics), 'pointsman_state_hash')).toBeUndefined()
  })

  test('configuration, stuck kernel, sysctl, latency, health', async () => {
    let health = READY
    const metrics = newMetrics(() => health)
    metrics.configLoaded(7)
    metrics.configRejected()
    metrics.kernelStuck()
    metrics.expireNodestConn(0)
    metrics.programmed(0.004)
    health = { status: 'degraded', reasons: [{ reason: 'config-rejected', message: 'x' }] }
    let families = await parsed(metrics)
    expect(sampleOf(families, 'pointsman_config_services')).toBe(7)
    expect(sampleOf(families, 'pointsman_config_last_load_successful')).toBe(0)
    expect(sampleOf(families, 'pointsman_kernel_stuck')).toBe(1)
    expect(sampleOf(families, 'pointsman_expire_nodest_conn')).toBe(0)
    expect(families.get('pointsman_programming_duration_seconds')?.type).toBe('histogram')
    expect(sampleOf(families, 'pointsman_ready')).toBe(1)
    expect(sampleOf(families, 'pointsman_degraded', { reason: 'config-rejected' })).toBe(1)
    expect(sampleOf(families, 'pointsman_degraded', { reason: 'stuck' })).toBe(0)
    health = { status: 'not-ready', reasons: [] }
    families = await parsed(metrics)
    expect(sampleOf(families, 'pointsman_ready')).toBe(0)
  })

  test('a collector that throws costs its own metric and nothing else, and is counted', async () => {
    const metrics = newMetrics(() => {
      throw new Error('no health today')
    })
    await metrics.text()
    const families = await parsed(metrics)
    expect(families.has('pointsman_ready')).toBe(false)
    expect(sampleOf(families, 'pointsman_build_info')).toBe(1)
    expect(sampleOf(families, 'pointsman_scrape_errors_total', { metric: 'pointsman_ready' })).toBeGreaterThanOrEqual(1)
  })
})

describe('a scrape', () => {
  const names = () => new Map<ServiceKey, string>([[serviceKey(WEB), 'web']])
  const reading = table(service(WEB, 5n, [destination('10.0.1.1', 5n)]))

  test('holds the series of the kernel and all others in one valid text', async () => {
    const scrape = new Scrape(newMetrics(), { read: async () => reading, names, states: () => [], perBackend: true })
    const families = parseExposition(await textOf(scrape))
    expect(sampleOf(families, 'pointsman_backend_connections_total')).toBe(5)
    expect(sampleOf(families, 'pointsman_build_info')).toBe(1)
  })

  test('has the hash of the table and of what is wanted, and the names of node_exporter for who asks for them', async () => {
    const input = { read: async () => reading, names, states: () => [], perBackend: true }
    const plain = parseExposition(await textOf(new Scrape(newMetrics(), input)))
    const actual = sampleOf(plain, 'pointsman_state_hash', { state: 'actual' })
    expect(actual).toBeGreaterThan(0)
    expect(sampleOf(plain, 'pointsman_state_hash', { state: 'desired' })).toBeUndefined()
    expect([...plain.keys()].filter((name) => name.startsWith('node_ipvs_'))).toEqual([])
    const more = { ...input, desired: () => new Map(), nodeIpvs: () => undefined }
    const full = parseExposition(await textOf(new Scrape(newMetrics(), more)))
    expect(sampleOf(full, 'pointsman_state_hash', { state: 'actual' })).toBe(actual)
    expect(sampleOf(full, 'pointsman_state_hash', { state: 'desired' })).toBe(0)
    expect(sampleOf(full, 'node_ipvs_backend_weight', { remote_address: '10.0.1.1' })).toBe(1)
  })

  test('shows no service that is there for probes alone', async () => {
    const mark = { kind: 'fwmark', fwmark: 0x7000_0000, family: 'ipv4' } as const
    const both = table(service(WEB, 5n, [destination('10.0.1.1', 5n)]), service(mark, 5n, [destination('10.0.1.1', 5n)]))
    const input = { read: async () => both, names, states: () => [], perBackend: true, nodeIpvs: () => undefined }
    const marksIn = async (more: Partial<TrafficInput>) =>
      parseExposition(await textOf(new Scrape(newMetrics(), { ...input, ...more })))
        .get('node_ipvs_backend_weight')
        ?.samples.map(({ labels }) => labels['local_mark'])
    expect(await marksIn({})).toEqual(['', '70000000'])
    expect(await marksIn({ isForProbes: (key) => key === serviceKey(mark) })).toEqual([''])
  })

  test('without the kernel the rest is there, and the gap is counted', async () => {
    const scrape = new Scrape(newMetrics(), {
      read: async () => {
        throw new Error('stuck')
      },
      names,
      states: () => [],
      perBackend: true,
    })
    const families = parseExposition(await textOf(scrape))
    expect(families.has('pointsman_backend_weight')).toBe(false)
    expect(sampleOf(families, 'pointsman_state_hash', { state: 'actual' })).toBeUndefined()
    expect(sampleOf(families, 'pointsman_scrape_errors_total', { metric: 'traffic' })).toBe(1)
  })

  test('scrapes at the same moment share one reading of the kernel', async () => {
    let reads = 0
    const read = async () => {
      reads++
      return reading
    }
    const scrape = new Scrape(newMetrics(), { read, names, states: () => [], perBackend: true })
    await Promise.all([textOf(scrape), textOf(scrape), textOf(scrape)])
    await textOf(scrape)
    expect(reads).toBe(1)
  })
})

describe('source NAT and addresses', () => {
  const input = { read: async () => table(), names: () => new Map(), states: () => [], perBackend: true }

  test('translated connections by service', async () => {
    const translated = async () => [{ name: 'web', identity: WEB, connections: 2n ** 60n }]
    const text = await textOf(new Scrape(newMetrics(), { ...input, translated }))
    expect(text).toContain(
      'pointsman_service_translated_connections_total{service="web",vip="10.0.0.1:80",protocol="tcp"} 1152921504606846976\n',
    )
  })

  test('that cannot be read are left out and counted', async () => {
    const metrics = newMetrics()
    const translated = async () => Promise.reject(new Error('nft does not come back'))
    await textOf(new Scrape(metrics, { ...input, translated }))
    expect(sampleOf(await parsed(metrics), 'pointsman_scrape_errors_total', { metric: 'translations' })).toBe(1)
  })

  test('the use of connection tracking is there while it tracks', async () => {
    const metrics = newMetrics()
    expect(sampleOf(await parsed(metrics), 'pointsman_conntrack_entries')).toBeUndefined()
    metrics.conntrack({ count: 7, max: 100 })
    expect(sampleOf(await parsed(metrics), 'pointsman_conntrack_entries')).toBe(7)
    expect(sampleOf(await parsed(metrics), 'pointsman_conntrack_entries_limit')).toBe(100)
    metrics.conntrack({ count: 7, max: Number.POSITIVE_INFINITY })
    expect(await textOf(new Scrape(metrics, input))).toContain('pointsman_conntrack_entries_limit +Inf\n')
  })

  test('addresses: what is, and what was since the start', async () => {
    const metrics = newMetrics()
    const facts = { held: 2, conflicts: 1, conflictsSeen: 3, repairs: 4, announcements: 10 }
    metrics.addresses(facts)
    metrics.addresses({ ...facts, held: 1, conflicts: 0, announcements: 15 })
    const families = await parsed(metrics)
    expect(sampleOf(families, 'pointsman_addresses_held')).toBe(1)
    expect(sampleOf(families, 'pointsman_address_conflicts')).toBe(0)
    expect(sampleOf(families, 'pointsman_address_conflicts_total')).toBe(3)
    expect(sampleOf(families, 'pointsman_address_repairs_total')).toBe(4)
    expect(sampleOf(families, 'pointsman_address_announcements_total')).toBe(15)
  })

  test('are looked up for each answer', async () => {
    const metrics = newMetrics()
    const lookUp = () => metrics.conntrack({ count: 1, max: 2 })
    expect(await textOf(new Scrape(metrics, { ...input, lookUp }))).toContain('pointsman_conntrack_entries 1\n')
  })
})

test('docs/metrics.md lists exactly what is exported', () => {
  const documented = [...readFileSync('docs/metrics.md', 'utf8').matchAll(/^\| `(pointsman_\w+)` \| (\w+) \|/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  )
  const exported = [
    ...SERVICE_FAMILIES,
    ...BACKEND_FAMILIES,
    ...STATE_FAMILIES,
    TRANSLATION_FAMILY,
    ...Object.values(DEFINITIONS),
  ].map(({ name, type }) => `${name} ${type}`)
  expect(documented.toSorted()).toEqual(exported.toSorted())
})

test('docs/metrics.md counts the series of services, backends and sources as they are', () => {
  const rows = readFileSync('docs/metrics.md', 'utf8').matchAll(
    /^\| (a service|a backend of a service|a source of a service) \| (\d+)/gm,
  )
  const ofSources = Object.values(DEFINITIONS).filter(({ labels }) => labels.join() === 'service,source')
  expect([...rows].map(([, what, count]) => [what, Number(count)])).toEqual([
    ['a service', SERVICE_FAMILIES.length],
    ['a backend of a service', BACKEND_FAMILIES.length + STATE_FAMILIES.length - 1],
    ['a source of a service', ofSources.length],
  ])
})
