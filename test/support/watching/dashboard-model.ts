/**
 * What TypeScript says of a dashboard when it is held against the types that Grafana publishes of its own model. Grafana itself is in no
 * registry that tests can reach.
 */

import { execFile } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const PANELS = '@grafana/schema/dist/esm/raw/composable'

/** A file of JSON has words where Grafana's code has enumerations, and leaves out what has a default. */
const PREAMBLE = `
import type { AnnotationQuery, Dashboard, GraphFieldConfig, Panel, RowPanel, TableFieldOptions } from '@grafana/schema'
import type * as Stat from '${PANELS}/stat/panelcfg/x/StatPanelCfg_types.gen'
import type * as StateTimeline from '${PANELS}/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen'
import type * as Table from '${PANELS}/table/panelcfg/x/TablePanelCfg_types.gen'
import type * as TimeSeries from '${PANELS}/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen'

type Words<T> = T extends string
  ? \`\${T}\`
  : T extends number | boolean | null | undefined
    ? T
    : T extends readonly (infer Item)[]
      ? Words<Item>[]
      : T extends object
        ? { [Key in keyof T]?: Words<T[Key]> }
        : T

type Common = Omit<Words<Panel>, 'type' | 'options' | 'fieldConfig' | 'targets'>
type Defaults = Omit<NonNullable<NonNullable<Words<Panel>['fieldConfig']>['defaults']>, 'custom'>
interface Of<Type extends string, Options, Custom> extends Common {
  readonly type: Type
  readonly options?: Words<Options>
  readonly fieldConfig?: { defaults: Defaults & { custom?: Words<Custom> }; overrides: NonNullable<Words<Panel>['fieldConfig']>['overrides'] }
  readonly targets: PrometheusQuery[]
}

/** Of the data source's own, which publishes no types without its code. */
interface PrometheusQuery {
  readonly refId: string
  readonly datasource: { readonly type: 'prometheus'; readonly uid: string }
  readonly expr: string
  readonly legendFormat: string
  readonly range?: boolean
  readonly instant?: boolean
  readonly format?: 'time_series' | 'table' | 'heatmap'
}
interface PrometheusAnnotation extends Omit<Words<AnnotationQuery>, 'target'> {
  readonly titleFormat?: string
  readonly target?: Pick<PrometheusQuery, 'refId' | 'expr'> & { readonly interval?: string }
}

type OurPanel =
  | Of<'stat', Stat.Options, never>
  | Of<'state-timeline', StateTimeline.Options, StateTimeline.FieldConfig>
  | Of<'table', Table.Options, TableFieldOptions>
  | Of<'timeseries', TimeSeries.Options, GraphFieldConfig>
  | (Words<RowPanel> & { readonly type: 'row' })

/** Grafana writes the definition beside the query; its published types leave it out. */
type Variable = NonNullable<NonNullable<Words<Dashboard>['templating']>['list']>[number] & { readonly definition?: string }

export type Ours = Omit<Words<Dashboard>, 'panels' | 'annotations' | 'templating'> & {
  readonly templating: { readonly list: readonly Variable[] }
  readonly panels: readonly OurPanel[]
  readonly annotations: { readonly list: readonly PrometheusAnnotation[] }
}
`

const CONFIGURATION = {
  compilerOptions: {
    module: 'esnext',
    moduleResolution: 'bundler',
    target: 'esnext',
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
  },
  files: ['dashboard.ts'],
}

/** The faults of it, one line each; `directory` is an empty one. */
export function faultsOfModel(dashboard: object, directory: string): Promise<readonly string[]> {
  symlinkSync(resolve('node_modules'), join(directory, 'node_modules'))
  writeFileSync(join(directory, 'ours.ts'), PREAMBLE)
  const text = `import type { Ours } from './ours'\nexport const dashboard: Ours = ${JSON.stringify(dashboard, null, 1)}\n`
  writeFileSync(join(directory, 'dashboard.ts'), text)
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(CONFIGURATION))
  return new Promise((done, fail) => {
    execFile('node_modules/.bin/tsc', ['--project', directory, '--pretty', 'false'], (error, stdout, stderr) => {
      const faults = stdout.split('\n').filter((line) => line.includes('error TS'))
      if (error !== null && faults.length === 0) return fail(new Error(`${error.message}\n${stderr}`))
      done(faults)
    })
  })
}
