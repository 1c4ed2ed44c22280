import { isAbsolute, normalize } from 'node:path'
import type { Issue } from '../document/issue.ts'
import { accepted, type Grammar, type Reading, refused, show, wrongType } from '../document/reading.ts'
import { choice, line, truth } from '../document/values/choice.ts'
import { duration } from '../document/values/duration.ts'
import { endpoint } from '../document/values/endpoint.ts'
import { integer } from '../document/values/integer.ts'
import { formatEndpoint } from '../model/address.ts'
import { EXIT_POLICIES, LOG_FORMATS, LOG_LEVELS, type SettingName } from './configuration.ts'

/** One process setting: how it is read, what holds where nobody says anything, and what it means. */
export interface SettingDefinition {
  readonly grammar: Grammar<string | number | boolean>
  /** As a person would write it. */
  readonly initial: string
  readonly description: string
}

const HOUR = 3_600_000

/** `off`, or where to listen; the value is canonical text. `:9095` is every address, as Go programs write it. */
export const adminAddress: Grammar<string> = {
  jsonSchema: { type: 'string', examples: ['127.0.0.1:9095', '[::1]:9095', 'off'] },
  read(raw) {
    const remedy = 'write an address and a port, such as 127.0.0.1:9095, or off'
    if (raw === 'off' || raw === '') return accepted('off')
    if (typeof raw !== 'string') return wrongType(raw, 'an address with a port', remedy)
    const reading = endpoint.read(raw.replace(/^:/, '[::]:').replace(/^localhost:/, '127.0.0.1:'))
    if (!reading.ok) return refused(reading.problem.replace(/ where an address is due$/, ' where an IP address is due'), remedy)
    if (reading.value.port === 0) return refused('port 0 cannot be asked for', remedy)
    return accepted(formatEndpoint(reading.value.address, reading.value.port))
  },
}

const metricsPath: Grammar<string> = {
  jsonSchema: { type: 'string', pattern: '^/[^?#\\s]*$', examples: ['/metrics'] },
  read(raw) {
    const text = line('a path', 200).read(raw)
    if (!text.ok) return text
    if (!/^\/[^?#\s]*$/.test(text.value))
      return refused(`${show(raw)} is not a path`, 'write a path that begins with a slash, such as /metrics')
    if (['/healthz', '/readyz'].includes(text.value))
      return refused(`${text.value} is served already`, 'write another path, such as /metrics')
    return text
  },
}

/** Names of hosts with commas between them, or `none`; the value is in small letters. */
const hostNames: Grammar<string> = {
  jsonSchema: { type: 'string', examples: ['lb.example', 'lb1.example, lb2.example', 'none'] },
  read(raw) {
    const remedy = 'write names with commas between them, such as lb1.example, lb2.example, or none'
    if (typeof raw !== 'string') return wrongType(raw, 'a text of host names', remedy)
    const names = raw.split(',').map((name) => name.trim().toLowerCase())
    const wrong = names.find(
      (name) => !/^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/.test(name),
    )
    if (wrong === undefined) return accepted(names.join(','))
    return refused(`${show(wrong)} is not a host name`, remedy)
  },
}

const directory: Grammar<string> = {
  jsonSchema: { type: 'string', pattern: '^/', examples: ['/var/lib/pointsman'] },
  read(raw): Reading<string> {
    const text = line('a directory', 4000).read(raw)
    if (!text.ok) return text
    if (!isAbsolute(text.value))
      return refused(`${show(raw)} is not an absolute path`, 'write the directory from the root, such as /var/lib/pointsman')
    return accepted(normalize(text.value))
  },
}

/** Bytes of an interface name (IFNAMSIZ less the zero) are the limit: it is one. */
const instanceName: Grammar<string> = {
  jsonSchema: { type: 'string', pattern: '^[a-z][a-z0-9_]{0,14}$', examples: ['pointsman'] },
  read(raw) {
    const remedy = 'write a letter and up to 14 letters, digits and underscores, all of them small, such as pointsman'
    if (typeof raw !== 'string') return wrongType(raw, 'a name', remedy)
    return /^[a-z][a-z0-9_]{0,14}$/.test(raw) ? accepted(raw) : refused(`${show(raw)} is not such a name`, remedy)
  },
}

/** `off`, or where the log goes; the value is a canonical path. */
const logFile: Grammar<string> = {
  jsonSchema: { type: 'string', pattern: '^(off|/.*)$', examples: ['/var/log/pointsman/pointsman.log', 'off'] },
  read(raw): Reading<string> {
    const remedy = 'write the file from the root, such as /var/log/pointsman/pointsman.log, or off'
    if (raw === 'off') return accepted('off')
    const text = line('a file', 4000).read(raw)
    if (!text.ok) return text
    if (!isAbsolute(text.value)) return refused(`${show(raw)} is not an absolute path`, remedy)
    if (text.value.endsWith('/')) return refused(`${show(raw)} is a directory`, remedy)
    return accepted(normalize(text.value))
  },
}

export const SETTING_DEFINITIONS: Readonly<Record<SettingName, SettingDefinition>> = {
  log_level: {
    grammar: choice(LOG_LEVELS, { warning: 'warn', verbose: 'debug' }),
    initial: 'info',
    description: 'Least severity that is logged.',
  },
  log_format: {
    grammar: choice(LOG_FORMATS),
    initial: 'auto',
    description: 'Form of the log on standard output: auto is pretty on a terminal and JSON elsewhere.',
  },
  log_file: {
    grammar: logFile,
    initial: 'off',
    description: 'File that has the log in place of standard output, or off.',
  },
  log_max_size: {
    grammar: integer('a number of megabytes', 0, 1_000_000),
    initial: '100',
    description: 'Megabytes after which the log file begins anew; 0: never.',
  },
  log_keep: {
    grammar: integer('a number of files', 0, 1000),
    initial: '5',
    description: 'How many former log files stay; FILE.1 is the newest.',
  },
  traffic_log_file: {
    grammar: logFile,
    initial: 'off',
    description: 'File that has the lines of traffic_log in place of the log, or off; it begins anew as the log file does.',
  },
  admin: {
    grammar: adminAddress,
    initial: 'off',
    description: 'Where metrics, health, readiness and the status page are served, or off.',
  },
  metrics_enabled: { grammar: truth, initial: 'true', description: 'Whether metrics are served on the admin address.' },
  metrics_path: { grammar: metricsPath, initial: '/metrics', description: 'Path of the metrics.' },
  status_page: {
    grammar: truth,
    initial: 'true',
    description: 'Whether the status page and its API are served on the admin address.',
  },
  admin_allowed_hosts: {
    grammar: hostNames,
    initial: 'none',
    description: 'Names by which browsers may ask for the status page, beside addresses and localhost; or none.',
  },
  resync_interval: {
    grammar: duration({ min: 1000, max: 24 * HOUR }),
    initial: '30s',
    description: 'Time between two full reads of the kernel, which find and repair what others changed.',
  },
  on_exit: {
    grammar: choice(EXIT_POLICIES),
    initial: 'keep',
    description: 'What becomes of our services in the kernel when the daemon stops: keep them, drain them, or remove them.',
  },
  state_dir: {
    grammar: directory,
    initial: '/var/lib/pointsman',
    description: 'Directory of the durable record of what is ours in the kernel.',
  },
  kernel_deadline: {
    grammar: duration({ min: 100, max: HOUR }),
    initial: '10s',
    description: 'How long the kernel may take for one piece of work before it counts as stuck.',
  },
  per_backend_metrics: {
    grammar: truth,
    initial: 'true',
    description: 'Whether there are series for each backend, or for services only.',
  },
  metrics_node_ipvs: {
    grammar: truth,
    initial: 'false',
    description: "Whether the names of node_exporter's ipvs collector (node_ipvs_*) are served as well.",
  },
  max_probes: {
    grammar: integer('a number of probes', 1, 100_000),
    initial: '1000',
    description: 'How many probes of backends may be under way at a time.',
  },
  probe_threads: {
    grammar: integer('a number of threads', 0, 16),
    initial: '0',
    description: 'How many threads ask backends; 0: the main thread does.',
  },
  watch_settle: {
    grammar: duration({ min: 0, max: 60_000 }),
    initial: '100ms',
    description: 'How long a watched file must be quiet before it is read.',
  },
  watch_poll: {
    grammar: duration({ min: 1000, max: HOUR }),
    initial: '30s',
    description: 'How often a watched file is looked at although the system told of no change.',
  },
  instance: {
    grammar: instanceName,
    initial: 'pointsman',
    description: 'Name of the nftables table and of the interface of our own; two instances on one host need two.',
  },
  manage_sysctls: {
    grammar: truth,
    initial: 'false',
    description: 'Whether sysctls that the services need are set, and, but for forwarding, put back by on_exit: remove.',
  },
  manage_firewall: {
    grammar: truth,
    initial: 'false',
    description: 'Whether chains of a firewall that would drop packets of services are given rules that let them pass.',
  },
}

export const SETTING_NAMES = Object.keys(SETTING_DEFINITIONS) as SettingName[]

/** `--log-level` */
export function flagOf(name: SettingName): string {
  return `--${name.replaceAll('_', '-')}`
}

/** `POINTSMAN_LOG_LEVEL` */
export function variableOf(name: SettingName): string {
  return `POINTSMAN_${name.toUpperCase()}`
}

/** Whether a problem is of a flag or a variable, and not of the file. */
export function isOfOverride({ file, line }: Issue): boolean {
  return line === undefined && SETTING_NAMES.some((name) => file === flagOf(name) || file === variableOf(name))
}

/** Reads the text of a flag or a variable: strict, as the file is. */
export function readSettingText(name: SettingName, text: string): Reading<string | number | boolean> {
  const { grammar } = SETTING_DEFINITIONS[name]
  const { type } = grammar.jsonSchema
  if (type === 'integer') return grammar.read(/^\d+$/.test(text) ? Number(text) : text)
  if (type !== 'boolean') return grammar.read(text)
  if (text === 'true' || text === 'false') return accepted(text === 'true')
  return refused(`${show(text)} is not true or false`, 'write true or false')
}
