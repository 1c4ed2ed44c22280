import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { stringify } from 'yaml'
import { promtool, startPrometheus } from '../peers/prometheus.ts'
import { eventfulDaemon } from '../support/watching/eventful-daemon.ts'
import { alerts, dashboardQueries, RULE_TESTS, RULES } from '../support/watching/rules.ts'
import { scratchDirectory } from './scratch.ts'

describe('promtool', () => {
  test('finds no fault in the rules', async () => {
    expect(await promtool(['check', 'rules', RULES])).toContain('SUCCESS')
  })

  test('takes the configuration that docs/watching.md shows', async () => {
    const path = join(await scratchDirectory(), 'prometheus.yml')
    const [, shown = ''] = readFileSync('docs/watching.md', 'utf8').match(/```text\n(# prometheus\.yml\n.*?)```/s) ?? []
    expect(shown).toContain('job_name: pointsman')
    writeFileSync(path, shown.replace('/etc/prometheus/pointsman.rules.yml', resolve(RULES)))
    expect(await promtool(['check', 'config', path])).toContain('1 rule files found')
  })

  test('sees every alert fire and not fire as its test says', async () => {
    const said = await promtool(['test', 'rules', RULE_TESTS.split('/').at(-1) ?? ''], { cwd: dirname(RULE_TESTS) })
    expect(said).toContain('SUCCESS')
  })

  test('would see an alert that has become deaf', async () => {
    const directory = await scratchDirectory()
    const deaf = readFileSync(RULES, 'utf8').replace('expr: pointsman_ready == 0', 'expr: pointsman_ready == 2')
    writeFileSync(join(directory, 'pointsman.rules.yml'), deaf)
    writeFileSync(join(directory, 'test.yml'), readFileSync(RULE_TESTS))
    await expect(promtool(['test', 'rules', 'test.yml'], { cwd: directory })).rejects.toThrow()
  })

  test('understands every query of the dashboard', async () => {
    const path = join(await scratchDirectory(), 'dashboard.yml')
    const rules = dashboardQueries().map(({ expr }, index) => ({ record: `query:${index}`, expr }))
    writeFileSync(path, stringify({ groups: [{ name: 'dashboard', rules }] }))
    expect(await promtool(['check', 'rules', path])).toContain(`${rules.length} rules found`)
  })

  test('finds no fault in what a daemon exports', async () => {
    const daemon = await eventfulDaemon()
    const { text } = await daemon.fetch('/metrics')
    // Gauges of prom-client that end in _total; and days, which is what people count certificates in.
    const ours = text.replaceAll(/^(# \w+ )?(nodejs_active_\w+_total|pointsman_certificate_days)\b.*\n/gm, '')
    expect(await promtool(['check', 'metrics'], { input: ours })).toBe('')
  })
})

test('a real Prometheus scrapes a daemon, answers the dashboard and raises the alerts that are due', async () => {
  const daemon = await eventfulDaemon()
  const prometheus = await startPrometheus({ target: `127.0.0.1:${daemon.port}`, rules: RULES })
  onTestFinished(() => prometheus[Symbol.asyncDispose]())
  const due = [
    'PointsmanPoolBelowQuorum',
    'PointsmanSourceStale',
    'PointsmanCertificateExpires',
    'PointsmanCatalogDown',
    'PointsmanSinkSyncFailing',
  ]
  const quiet = [
    'PointsmanDown',
    'PointsmanKernelStuck',
    'PointsmanConfigRejected',
    'PointsmanPoolNobodyServes',
    'PointsmanPeerStateHashDiffers',
  ]
  await expect.poll(() => prometheus.alerts(), { timeout: 30_000, interval: 200 }).toEqual(expect.arrayContaining(due))
  const raised = await prometheus.alerts()
  expect(raised.filter((name) => quiet.includes(name))).toEqual([])
  const named = alerts().map(({ alert }) => alert)
  expect(raised.filter((name) => !named.includes(name))).toEqual([])
  // Two scrapes, and every rate has a value.
  await expect.poll(() => prometheus.query('count_over_time(pointsman_ready[1m]) >= 3'), { timeout: 30_000 }).not.toEqual([])
  const answers = await Promise.all(
    dashboardQueries().map(async ({ where, expr }) => ({ where, series: (await prometheus.query(expr)).length })),
  )
  const panels = new Set(answers.filter(({ series }) => series > 0).map(({ where }) => where))
  expect([...new Set(answers.map(({ where }) => where))].filter((where) => !panels.has(where))).toEqual(EMPTY)
})

/** What is not the case here. */
const EMPTY = ['Not served by its members', "The operator's and the registry's word", 'annotations']
