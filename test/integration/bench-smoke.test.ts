/** The bench runs from beginning to end and measures everything that it promises. What the values are is not looked at. */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { inCheckout } from '../lab/lab.ts'

interface Report {
  readonly bars: null
  readonly series: readonly {
    readonly measure: string
    readonly shape: string
    readonly subject: string
    readonly values: readonly number[]
  }[]
}

/** It boots a virtual machine and user-mode Linux, and gives way to the tests beside it, most of which wait for something. */
const PATIENCE = 1_500_000

const TABLES = ['5 x 5', '20 x 2', '1 x 50']

const EVERY_TABLE: Readonly<Record<string, readonly string[]>> = {
  apply: ['ceiling', 'ipvsadm --restore', 'pass', 'write'],
  resync: ['ipvsadm -Ln', 'ipvsadm -Sn', 'pass', 'read'],
  'change-calls': ['ipvsadm -e', 'pass'],
  'change-bytes': ['ipvsadm -e', 'pass'],
}

const LARGE_TABLE: Readonly<Record<string, readonly string[]>> = {
  change: ['ceiling', 'ipvsadm -e', 'keepalived', 'pass', 'pass, 1 x 5 alone', 'write'],
  start: ['keepalived', 'pointsman start'],
  memory: [
    'resident at its highest, per-backend series off',
    'resident at its highest, per-backend series on',
    'resident, per-backend series off',
    'resident, per-backend series on',
  ],
  scrape: ['per-backend series off', 'per-backend series on'],
  hold: ['first pass', 'first resync', 'repair of the whole table', 'scrape', 'unchanged resync'],
  blocked: [
    'daemon: repair of the whole table',
    'daemon: scrape',
    'daemon: unchanged resync',
    'first pass',
    'first resync',
    'one change',
    'unchanged resync',
  ],
}

/** Only where there are rules one can be added. */
const SNAT_WAYS = ['iptables-legacy', 'iptables-nft', 'pointsman']

const PACKETS: Readonly<Record<string, readonly string[]>> = {
  'packet-rate': [...SNAT_WAYS.slice(0, 2), 'no source NAT', 'pointsman'],
  'connection-rate': [...SNAT_WAYS.slice(0, 2), 'no source NAT', 'pointsman'],
  'packet-add': SNAT_WAYS,
}

/** The table of 1,000 services stands in a Consul agent, too. */
const CONSUL_WAYS = ['http', 'http, a connection each', 'https']

const CONSUL: Readonly<Record<string, readonly string[]>> = {
  register: CONSUL_WAYS.flatMap((way) => [`${way}: bare query`, `${way}: in the kernel`]).toSorted(),
  idle: ['https'],
  'consul-cpu': CONSUL_WAYS,
  'consul-requests': CONSUL_WAYS,
  'consul-connections': CONSUL_WAYS,
}

const probersOf = (...names: readonly string[]): Readonly<Record<string, readonly string[]>> => ({
  cpu: names,
  rate: names.flatMap((name) => [name, `${name}, HTTP answered`]).toSorted(),
  memory: names,
})

/** By the table and where it was measured. */
const PROBES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  '40 TCP + 40 HTTP a second': prefixed('probe-', {
    ...probersOf('HAProxy', 'pointsman', 'pointsman, 2 threads'),
    main: ['HAProxy', 'pointsman', 'pointsman, 2 threads'],
    late: ['pointsman', 'pointsman, 2 threads'].flatMap((name) => [`${name}, 99% of all`, `${name}, half of all`]).toSorted(),
  }),
  '20 TCP + 20 HTTP a second, user-mode Linux': prefixed('lab-probe-', {
    ...probersOf('HAProxy', 'keepalived', 'pointsman'),
    late: ['pointsman, 99% of all'],
    gap: ['HAProxy', 'keepalived', 'pointsman'].map((name) => `${name}, 99% of all`),
  }),
}

function prefixed<Value>(prefix: string, values: Readonly<Record<string, Value>>): Readonly<Record<string, Value>> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]))
}

describe('npm run bench -- --quick', () => {
  let report: Report
  beforeAll(async () => {
    const argv = ['-n', '19', process.execPath, inCheckout('test/bench/main.ts'), '--quick', '--json']
    const { stdout } = await promisify(execFile)('nice', argv, { maxBuffer: 1 << 24 })
    report = JSON.parse(stdout) as Report
  }, PATIENCE)

  const subjects = (measure: string, shape: string) =>
    report.series.flatMap((series) => (series.measure === measure && series.shape === shape ? [series.subject] : [])).toSorted()

  it.each(Object.entries(EVERY_TABLE))('measures %s in every table', (measure, expected) => {
    for (const table of TABLES) expect(subjects(measure, table), table).toEqual(expect.arrayContaining([...expected]))
  })

  it.each(Object.entries(LARGE_TABLE))('measures %s in the large table', (measure, expected) => {
    expect(subjects(measure, '1 x 50')).toEqual(expected)
  })

  it.each(Object.entries(CONSUL))('measures %s beside a Consul agent', (measure, expected) => {
    expect(subjects(measure, '20 x 2')).toEqual(expected)
  })

  it.each(Object.entries(PACKETS))('measures %s of packets through source NAT', (measure, expected) => {
    expect(subjects(measure, '5 services')).toEqual(expected)
  })

  it.each(Object.entries(PROBES))('measures what probes cost: %s', (table, measures) => {
    for (const [measure, expected] of Object.entries(measures)) expect(subjects(measure, table), measure).toEqual(expected)
  })

  it('has every HTTP probe answered, whoever asks', () => {
    const answered = report.series.filter(({ measure, subject }) => measure === 'lab-probe-rate' && subject.endsWith('answered'))
    // 20 a second; in 3 seconds one more or less is a third.
    for (const { subject, values } of answered) expect(values[0], subject).toBeGreaterThan(15)
  })

  it('times every registration and asks over few connections by https', () => {
    const values = (measure: string, subject: string) =>
      report.series.find((series) => series.measure === measure && series.subject === subject)?.values
    for (const subject of CONSUL['register'] ?? []) expect(values('register', subject), subject).toHaveLength(4)
    expect(values('consul-connections', 'http')).toEqual([20])
    expect(values('consul-connections', 'https')?.[0]).toBeLessThan(5)
  })

  it('fills the large table under wrr too', () => {
    expect(subjects('apply', '1 x 50 wrr')).toEqual(EVERY_TABLE['apply'])
  })

  it('has a finite, not negative number for everything', () => {
    for (const { measure, shape, subject, values } of report.series) {
      for (const value of values)
        expect(value, `${measure}, ${shape}, ${subject}`).toSatisfy((it: number) => it >= 0 && Number.isFinite(it))
    }
  })

  it('sends bytes to the kernel in a counted number of calls for one change', () => {
    for (const { measure, subject, values } of report.series) {
      if (measure === 'change-bytes' || measure === 'change-calls')
        expect(Math.min(...values), `${measure}, ${subject}`).toBeGreaterThan(0)
    }
  })

  it('judges nothing', () => {
    expect(report.bars).toBeNull()
  })
})
