import type { Document } from '../document/document.ts'
import { issueAt } from '../document/document.ts'
import { interpret } from '../document/schema.ts'
import { messageLengths, type SyncDaemon } from '../model/ipvs-table.ts'
import type { Configuration, IpvsSettings, Overrides, SettingName, SnatSettings } from './configuration.ts'
import type { Findings } from './findings.ts'
import { globalSchema, type WrittenGlobal } from './global-schema.ts'
import { readProbeRoads } from './probe-road-rules.ts'
import { SETTING_NAMES } from './setting-definitions.ts'
import { readSettings } from './settings.ts'

type Global = Pick<Configuration, 'settings' | 'ipvs' | 'hooks' | 'probeRoads' | 'snat'>

/** Settings and what belongs to IPVS as a whole, out of `global:`, flags and variables. */
export function readGlobal(document: Document, raw: unknown, overrides: Overrides, findings: Findings): Global {
  const read = interpret(globalSchema, raw ?? {}, document, ['global'])
  findings.issues.push(...read.issues)
  const written = read.value ?? {}
  const settings = readSettings(settingsOfFile(written, findings), overrides)
  findings.issues.push(...settings.issues)
  findings.warnings.push(...settings.warnings)
  warnOfLogKeys(written, settings.settings.logFile !== 'off', findings)
  const { hooks } = written
  return {
    settings: settings.settings,
    ipvs: readIpvs(written, document, findings),
    ...(hooks !== undefined && { hooks }),
    probeRoads: readProbeRoads(written, findings),
    snat: readSnat(written, findings),
  }
}

/** The settings that the file says, under either of their names. */
function settingsOfFile(written: WrittenGlobal, findings: Findings) {
  const values: { [Name in SettingName]?: string | number | boolean } = {}
  for (const name of SETTING_NAMES) {
    const value = written[name]
    if (value !== undefined) values[name] = value
  }
  const alias = (name: SettingName, path: readonly string[], value: string | number | boolean | undefined) => {
    if (value === undefined) return
    if (values[name] === undefined) values[name] = value
    else
      findings.refuse(
        ['global', ...path],
        `${path.join('.')} and ${name} say the same thing`,
        `keep ${name} and remove ${path.join('.')}`,
        'key',
      )
  }
  alias('admin', ['admin_address'], written.admin_address)
  alias('log_level', ['log', 'level'], written.log?.level)
  alias('log_file', ['log', 'file'], written.log?.file)
  alias('log_max_size', ['log', 'max_size'], written.log?.max_size)
  alias('log_keep', ['log', 'keep'], written.log?.keep)
  const cleanup = written.cleanup_on_exit
  alias('on_exit', ['cleanup_on_exit'], cleanup === undefined ? undefined : cleanup ? 'remove' : 'keep')
  return values
}

function warnOfLogKeys(written: WrittenGlobal, isInFile: boolean, findings: Findings): void {
  const { log } = written
  for (const key of ['home', 'max_size', 'keep', 'max_backups', 'max_age', 'compress'] as const) {
    const hasEffect = isInFile && (key === 'max_size' || key === 'keep')
    if (log?.[key] === undefined || hasEffect) continue
    findings.warn(
      ['global', 'log', key],
      isInFile ? `log.${key} has no effect` : `log.${key} has no effect: the log goes to standard output`,
      isInFile ? 'use log.max_size and log.keep' : 'leave rotation to what collects it, such as journald, or name a log.file',
      'key',
    )
  }
  const { enabled, interval } = log?.traffic ?? {}
  const ignored = enabled === false ? 'enabled' : interval === undefined ? undefined : 'interval'
  if (ignored === undefined) return
  findings.warn(
    ['global', 'log', 'traffic', ignored],
    `log.traffic.${ignored} has no effect: traffic_log of each service decides`,
    ignored === 'enabled' ? 'remove traffic_log from the services' : 'write traffic_log: 15s at a service, or in defaults',
    'key',
  )
}

/** Fewer ports than this, and a busy backend runs out of them. */
const FEWEST_PORTS = 256

function readSnat({ snat }: WrittenGlobal, findings: Findings): SnatSettings {
  const by = snat?.by === undefined || snat.by === 'auto' ? {} : { by: snat.by }
  return { ...by, ...readPorts(snat?.port_range, findings) }
}

function readPorts(range: NonNullable<WrittenGlobal['snat']>['port_range'], findings: Findings): Pick<SnatSettings, 'ports'> {
  if (range === undefined) return {}
  const path = ['global', 'snat', 'port_range']
  const remedy = 'write port_range: { from: 32768, to: 60999 }, or leave it out'
  const { from: first, to: last } = range
  if (first === undefined || last === undefined) {
    findings.refuse(path, 'the port range has no beginning or no end', remedy)
    return {}
  }
  if (last - first + 1 < FEWEST_PORTS) {
    const problem =
      last < first ? `the port range ${first}-${last} ends before it begins` : `the port range has ${last - first + 1} ports`
    findings.refuse(path, problem, `write at least ${FEWEST_PORTS} ports, such as { from: 32768, to: 60999 }`)
    return {}
  }
  return { ports: { first, last } }
}

function readIpvs(written: WrittenGlobal, document: Document, findings: Findings): IpvsSettings {
  const { ipvs } = written
  if (ipvs === undefined) return {}
  const timeouts = {
    ...(ipvs.tcp_timeout === undefined ? {} : { tcp: ipvs.tcp_timeout / 1000 }),
    ...(ipvs.tcp_fin_timeout === undefined ? {} : { tcpFin: ipvs.tcp_fin_timeout / 1000 }),
    ...(ipvs.udp_timeout === undefined ? {} : { udp: ipvs.udp_timeout / 1000 }),
  }
  const daemons = ipvs.sync_daemons?.flatMap((daemon, index) => readSyncDaemon(daemon, index, document, findings))
  for (const role of ['master', 'backup'] as const) {
    const indexes = (daemons ?? []).flatMap((daemon, index) => (daemon.role === role ? [index] : []))
    const second = indexes[1]
    if (second !== undefined) {
      findings.refuse([...SYNC_DAEMONS, second], `the kernel runs one ${role} daemon only`, 'keep one of the two')
    }
  }
  return {
    ...(Object.keys(timeouts).length === 0 ? {} : { timeouts }),
    ...(daemons === undefined ? {} : { syncDaemons: daemons }),
  }
}

const SYNC_DAEMONS = ['global', 'ipvs', 'sync_daemons']

type WrittenDaemon = NonNullable<NonNullable<WrittenGlobal['ipvs']>['sync_daemons']>[number]

function readSyncDaemon(written: WrittenDaemon, index: number, document: Document, findings: Findings): SyncDaemon[] {
  const { role, interface: device, id = 0, maximum_length: maximumLength, group, port, ttl } = written
  if (role === undefined || device === undefined) {
    const missing = role === undefined ? 'role' : 'interface'
    const remedy =
      missing === 'role' ? 'write role: master or role: backup' : 'write interface: and the name of a network interface'
    findings.issues.push(issueAt(document, [...SYNC_DAEMONS, index], 'value', `the sync daemon has no ${missing}`, remedy))
    return []
  }
  const { least, most } = messageLengths({ role, ...(group === undefined ? {} : { group }) })
  if (maximumLength !== undefined && (maximumLength < least || maximumLength > most)) {
    findings.refuse(
      [...SYNC_DAEMONS, index, 'maximum_length'],
      `${maximumLength} is outside of what the kernel takes for this daemon: it would use another length in silence`,
      `write a number of bytes from ${least} to ${most}, or leave it out`,
    )
    return []
  }
  return [
    {
      role,
      interface: device,
      id,
      ...(maximumLength === undefined ? {} : { maximumLength }),
      ...(group === undefined ? {} : { group }),
      ...(port === undefined ? {} : { port }),
      ...(ttl === undefined ? {} : { ttl }),
    },
  ]
}
