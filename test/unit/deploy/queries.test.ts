import { describe, expect, test } from 'vitest'
import { eventfulDaemon } from '../../support/watching/eventful-daemon.ts'
import { usesOf } from '../../support/watching/promql.ts'
import { dashboard, dashboardQueries, rules } from '../../support/watching/rules.ts'
import { parseExposition, type Sample } from '../admin/exposition-parser.ts'

/** Labels that Prometheus itself puts on every series. */
const OF_PROMETHEUS = ['job', 'instance']

/** Labels whose values are words of a closed list, so that one that is misspelt would never match. */
const CLOSED = ['mode', 'reason', 'stat', 'state']

const recorded = new Set(rules().flatMap(({ record }) => record ?? []))
const queries = [...rules().map(({ record, alert, expr }) => ({ where: record ?? alert ?? '', expr })), ...dashboardQueries()]

/** Samples by their name: those of a histogram have three. */
type Scraped = ReadonlyMap<string, readonly Sample[]>

async function scrape(): Promise<Scraped> {
  const daemon = await eventfulDaemon()
  const families = [...parseExposition((await daemon.fetch('/metrics')).text).values()]
  return Map.groupBy(
    families.flatMap(({ samples }) => samples),
    ({ name }) => name,
  )
}

function faultsOf(expr: string, scraped: Scraped): string[] {
  const { selectors, grouping } = usesOf(expr)
  const ofScrape = selectors.filter(({ metric }) => !recorded.has(metric) && metric !== 'up')
  const labelsOf = (metric: string) => new Set((scraped.get(metric) ?? []).flatMap(({ labels }) => Object.keys(labels)))
  const faults = ofScrape.flatMap(({ metric, matchers }) => {
    if (!scraped.has(metric)) return [`there is no ${metric}`]
    const labels = labelsOf(metric)
    return matchers.flatMap(({ label, operator, value }) => {
      if (OF_PROMETHEUS.includes(label)) return []
      if (!labels.has(label)) return [`${metric} has no label ${label}`]
      if (!CLOSED.includes(label) || value === '.*' || operator.startsWith('!')) return []
      const there = new Set(scraped.get(metric)?.map((sample) => sample.labels[label]))
      return value.split('|').flatMap((word) => (there.has(word) ? [] : [`${metric} has no ${label}="${word}"`]))
    })
  })
  const known = new Set([...OF_PROMETHEUS, ...ofScrape.flatMap(({ metric }) => [...labelsOf(metric)])])
  const stray = ofScrape.length === selectors.length ? grouping.filter((label) => !known.has(label)) : []
  return [...faults, ...stray.map((label) => `nothing has the label ${label}`)]
}

test('every metric, label and word that is asked for exists in a real scrape', async () => {
  const scraped = await scrape()
  expect(queries.length).toBeGreaterThan(100)
  for (const { where, expr } of queries) {
    expect(usesOf(expr).selectors, `${where}: ${expr}`).not.toEqual([])
    expect(faultsOf(expr, scraped), `${where}: ${expr}`).toEqual([])
  }
  const wrong = [
    ['rate(pointsman_servicc_weight[5m])', 'there is no pointsman_servicc_weight'],
    ['pointsman_ready{service="x"}', 'pointsman_ready has no label service'],
    ['pointsman_degraded{reason="stale"}', 'pointsman_degraded has no reason="stale"'],
    ['sum by (backend) (pointsman_service_weight)', 'nothing has the label backend'],
  ] as const
  for (const [expr, fault] of wrong) expect(faultsOf(expr, scraped)).toEqual([fault])
}, 60_000)

describe('the dashboard', () => {
  const { schemaVersion, panels, templating } = dashboard()
  const shown = panels.filter(({ type }) => type !== 'row')

  test('is of the current schema, and bound to no data source by name', () => {
    expect(schemaVersion).toBeGreaterThanOrEqual(41)
    expect(templating.list[0]).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' })
    const bound = { type: 'prometheus', uid: `\${datasource}` }
    for (const { datasource, targets = [] } of shown) {
      expect(datasource).toEqual(bound)
      expect(targets.length).toBeGreaterThan(0)
      for (const target of targets) expect(target.datasource).toEqual(bound)
    }
  })

  test('has panels with numbers and titles of their own that do not lie over each other', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length)
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => {
      expect(x + w).toBeLessThanOrEqual(24)
      return Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`)
    })
    expect(new Set(cells).size).toBe(cells.length)
  })
})
