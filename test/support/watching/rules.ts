import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

export interface Rule {
  /** Of a recorded series. */
  readonly record?: string
  readonly alert?: string
  readonly expr: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

export const RULES = 'deploy/prometheus/pointsman.rules.yml'
export const RULE_TESTS = 'deploy/prometheus/pointsman.test.yml'
export const DASHBOARD = 'deploy/grafana/pointsman.json'

export function rules(): Rule[] {
  const file = parse(readFileSync(RULES, 'utf8')) as { groups: { rules: Rule[] }[] }
  return file.groups.flatMap((group) => group.rules)
}

export function alerts(): (Rule & { readonly alert: string })[] {
  return rules().filter((rule): rule is Rule & { alert: string } => rule.alert !== undefined)
}

export interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly datasource?: unknown
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly { readonly expr: string; readonly datasource: unknown; readonly legendFormat: string }[]
}

export interface Dashboard {
  readonly schemaVersion: number
  readonly panels: readonly Panel[]
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[]
  }
  readonly annotations: { readonly list: readonly { readonly target?: { readonly expr: string } }[] }
}

export function dashboard(): Dashboard {
  return JSON.parse(readFileSync(DASHBOARD, 'utf8')) as Dashboard
}

/** Every query of the dashboard, its variables filled in as Grafana does where all is chosen. */
export function dashboardQueries(): { readonly where: string; readonly expr: string }[] {
  const { panels, templating, annotations } = dashboard()
  const written = [
    ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ where: title, expr }))),
    ...annotations.list.flatMap(({ target }) => (target === undefined ? [] : [{ where: 'annotations', expr: target.expr }])),
    ...templating.list.flatMap(({ name, definition }) => {
      // label_values(SELECTOR, LABEL) is Grafana's own; what it asks Prometheus for is this.
      const [, selector, label] = definition?.match(/^label_values\((.*), (\w+)\)$/) ?? []
      return selector === undefined ? [] : [{ where: `variable ${name}`, expr: `group by (${label}) (${selector})` }]
    }),
  ]
  return written.map(({ where, expr }) => ({
    where,
    expr: expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$\w+/g, '.*'),
  }))
}
