import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { alerts, RULE_TESTS, rules } from '../../support/watching/rules.ts'

const RUNBOOK = 'docs/runbook'
const names = alerts().map(({ alert }) => alert)
const pages = readdirSync(RUNBOOK)

interface RuleTest {
  readonly alert_rule_test?: readonly { readonly alertname: string; readonly exp_alerts: readonly unknown[] }[]
  readonly promql_expr_test?: readonly { readonly expr: string }[]
}

const played = (parse(readFileSync(RULE_TESTS, 'utf8')) as { tests: RuleTest[] }).tests

test('alerts and pages match one to one', () => {
  expect(new Set(names).size).toBe(names.length)
  expect(pages.toSorted()).toEqual(names.map((name) => `${name}.md`).toSorted())
})

describe.each(alerts())('$alert', ({ alert, labels, annotations }) => {
  const page = readFileSync(`${RUNBOOK}/${alert}.md`, 'utf8')

  test('has a severity, two sentences and its page', () => {
    expect(['critical', 'warning']).toContain(labels?.['severity'])
    expect(annotations?.['summary']).toMatch(/\.$/)
    expect(annotations?.['description']).toMatch(/\.$/)
    expect(annotations?.['runbook']).toBe(`${RUNBOOK}/${alert}.md`)
  })

  test('has a page that says what it means, what to look at and what to do', () => {
    expect(page.startsWith(`# ${alert}\n\nSeverity: ${labels?.['severity']}.\n`)).toBe(true)
    const sections = [...page.matchAll(/^## (.*)\n+([^#]+)/gm)].map(([, title, text]) => [title, (text ?? '').trim().length > 60])
    expect(sections).toEqual([
      ['What it means', true],
      ['What to look at', true],
      ['What to do', true],
    ])
  })

  test('is played quiet and firing', () => {
    const cases = played.flatMap(({ alert_rule_test = [] }) => alert_rule_test.filter(({ alertname }) => alertname === alert))
    const firing = cases.filter(({ exp_alerts }) => exp_alerts.length > 0)
    expect(firing.length).toBeGreaterThan(0)
    expect(cases.length).toBeGreaterThan(firing.length)
  })
})

test('every recorded series is played or asked for by an alert that is', () => {
  const asked = played.flatMap(({ promql_expr_test = [] }) => promql_expr_test.map(({ expr }) => expr))
  const used = alerts().map(({ expr }) => expr)
  const silent = rules()
    .flatMap(({ record }) => record ?? [])
    .filter((name) => ![...asked, ...used].some((expr) => expr.includes(name)))
  expect(silent).toEqual([])
})

test('docs/watching.md lists all alerts and all recorded series', () => {
  const text = readFileSync('docs/watching.md', 'utf8')
  const listed = [...text.matchAll(/^\| \[(\w+)\]\(runbook\/(\w+)\.md\) \| (\w+) \|/gm)].map(([, name, page, severity]) => [
    name,
    page,
    severity,
  ])
  expect(listed).toEqual(alerts().map(({ alert, labels }) => [alert, alert, labels?.['severity']]))
  const recorded = [...text.matchAll(/^\| `(pointsman:[\w:]+)` \|/gm)].map(([, name]) => name)
  expect(recorded).toEqual(rules().flatMap(({ record }) => record ?? []))
})

describe('the pages', () => {
  const text = pages.map((page) => readFileSync(`${RUNBOOK}/${page}`, 'utf8')).join('\n')

  test('name commands that there are', () => {
    const program = readFileSync('src/cli/program.ts', 'utf8')
    const known = [...program.matchAll(/command\(\s*'([\w-]+)'/g)].map(([, name]) => name)
    const named = [...text.matchAll(/pointsman ([a-z]+)(?= |$|`|\))/gm)].map(([, name]) => name)
    expect(named.length).toBeGreaterThan(30)
    expect(named.filter((name) => !known.includes(name))).toEqual([])
  })

  test('say how a backend is reached where ipvsadm would make it direct', () => {
    const written = [...text.matchAll(/`ipvsadm -[ae] ([^`]*)/g)].map(([, options]) => options ?? '')
    expect(written.length).toBeGreaterThan(0)
    expect(written.filter((options) => !/ -[mgi]\b/.test(options))).toEqual([])
  })

  test('name metrics that are documented', () => {
    const metrics = readFileSync('docs/metrics.md', 'utf8')
    const named = [...text.matchAll(/`(pointsman_\w+)/g)].map(([, name]) => name ?? '')
    expect(named.filter((name) => !metrics.includes(`\`${name}\``))).toEqual([])
  })

  test('have links that lead somewhere', () => {
    for (const [, target = ''] of text.matchAll(/\]\(([^)#]+)(?:#[\w-]+)?\)/g)) {
      expect(() => readFileSync(`${RUNBOOK}/${target}`), target).not.toThrow()
    }
  })
})
