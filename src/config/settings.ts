import convict from 'convict'
import type { Issue } from '../document/issue.ts'
import { nearest } from '../document/suggest.ts'
import { endpoint } from '../document/values/endpoint.ts'
import { PointsmanError } from '../errors.ts'
import type { ExitPolicy, LogFormat, LogLevel, Overrides, SettingName, Settings } from './configuration.ts'
import { flagOf, readSettingText, SETTING_DEFINITIONS, SETTING_NAMES, variableOf } from './setting-definitions.ts'

type SettingValues = { [Name in SettingName]?: string | number | boolean }

/** Formats of our own for every setting: convict's take `12abc` for 12 and `yes` for true. */
for (const name of SETTING_NAMES) {
  convict.addFormat({
    name: `pointsman ${name}`,
    validate: (value: unknown) => {
      if (value === undefined) throw new Error(`${name} has no value`)
    },
    coerce: (text: string) => {
      const reading = readSettingText(name, text)
      return reading.ok ? reading.value : undefined
    },
  })
}

export interface SettingsRead {
  readonly settings: Settings
  readonly issues: readonly Issue[]
  readonly warnings: readonly Issue[]
}

/**
 * Settles every setting: a flag beats a variable, a variable beats the file, the file beats the default. What a flag or
 * variable says wrongly is an issue that names it, also where something else beats it.
 */
export function readSettings(fromFile: SettingValues, overrides: Overrides): SettingsRead {
  const flags = Object.entries(overrides.flags ?? {}).filter((entry) => entry[1] !== undefined)
  const environment: Record<string, string> = {}
  for (const name of SETTING_NAMES) {
    const text = overrides.environment?.[variableOf(name)]
    if (text !== undefined && text !== '') environment[variableOf(name)] = text
  }
  const issues = [
    ...SETTING_NAMES.flatMap((name) => textIssue(name, variableOf(name), environment[variableOf(name)])),
    ...flags.flatMap(([name, text]) => textIssue(name as SettingName, flagOf(name as SettingName), text)),
  ]
  const warnings = misspelledVariables(overrides.environment ?? {})
  if (issues.length > 0) return { settings: toSettings(settle(fromFile, {}, [])), issues, warnings }
  return { settings: toSettings(settle(fromFile, environment, flags)), issues, warnings }
}

function settle(fromFile: SettingValues, environment: Record<string, string>, flags: [string, string | undefined][]) {
  const settled = convict<Required<SettingValues>>(CONVICT_SCHEMA, { args: [], env: environment })
  settled.load(fromFile)
  for (const [name, text] of flags) settled.set(name, text)
  settled.validate({ allowed: 'strict' })
  return settled.getProperties()
}

const CONVICT_SCHEMA = Object.fromEntries(
  SETTING_NAMES.map((name) => {
    const { initial, description } = SETTING_DEFINITIONS[name]
    return [name, { doc: description, format: `pointsman ${name}`, default: initial, env: variableOf(name) }]
  }),
) as unknown as convict.Schema<Required<SettingValues>>

function toSettings(values: Required<SettingValues>): Settings {
  return {
    logLevel: values.log_level as LogLevel,
    logFormat: values.log_format as LogFormat,
    logFile: values.log_file as string,
    logMaxSize: values.log_max_size as number,
    logKeep: values.log_keep as number,
    trafficLogFile: values.traffic_log_file as string,
    admin: toAdmin(values.admin),
    metricsEnabled: values.metrics_enabled as boolean,
    metricsPath: values.metrics_path as string,
    statusPage: values.status_page as boolean,
    adminAllowedHosts: toNames(values.admin_allowed_hosts as string),
    resyncInterval: values.resync_interval as number,
    onExit: values.on_exit as ExitPolicy,
    stateDir: values.state_dir as string,
    kernelDeadline: values.kernel_deadline as number,
    perBackendMetrics: values.per_backend_metrics as boolean,
    metricsNodeIpvs: values.metrics_node_ipvs as boolean,
    maxProbes: values.max_probes as number,
    probeThreads: values.probe_threads as number,
    watchSettle: values.watch_settle as number,
    watchPoll: values.watch_poll as number,
    instance: values.instance as string,
    manageSysctls: values.manage_sysctls as boolean,
    manageFirewall: values.manage_firewall as boolean,
  }
}

function toNames(text: string): string[] {
  return text === 'none' ? [] : text.split(',')
}

function toAdmin(text: unknown): Settings['admin'] {
  if (text === 'off') return 'off'
  const reading = endpoint.read(text)
  if (!reading.ok)
    throw new PointsmanError('INTERNAL', `The admin address ${String(text)} passed its own check and cannot be read.`)
  return reading.value
}

function textIssue(name: SettingName, origin: string, text: string | undefined): Issue[] {
  if (text === undefined) return []
  const reading = readSettingText(name, text)
  return reading.ok ? [] : [{ file: origin, path: '', problem: reading.problem, remedy: reading.remedy }]
}

/** Other parts have variables of their own; only a name that looks like a setting's is worth a word. */
function misspelledVariables(environment: Readonly<Record<string, string | undefined>>): Issue[] {
  const known = SETTING_NAMES.map(variableOf)
  return Object.keys(environment)
    .filter((variable) => variable.startsWith('POINTSMAN_') && !known.includes(variable))
    .flatMap((variable) => {
      const meant = nearest(
        variable.slice('POINTSMAN_'.length),
        SETTING_NAMES.map((name) => name.toUpperCase()),
      )
      const problem = 'the variable is not known and has no effect'
      return meant === undefined ? [] : [{ file: variable, path: '', problem, remedy: `did you mean POINTSMAN_${meant}?` }]
    })
}
