import type { Document } from '../document/document.ts'
import { Fields, type Keys } from './fields.ts'
import {
  BELIEVES_ALL,
  type Imported,
  type ImportedBackend,
  type ImportedService,
  type LeftOut,
  type Place,
  present,
  type Written,
} from './imported.ts'

const LOG = [
  'the log goes to standard output, and files of it are named otherwise',
  'leave them to journald, or write log_file: /var/log/pointsman/pointsman.log with log_max_size and log_keep',
] as const

const OF_LOG: Keys = { home: LOG, max_size: LOG, max_backups: LOG, max_age: LOG, compress: LOG }

/** Between two lines of ezlb's traffic log where nothing is written. */
const TRAFFIC_INTERVAL = '15s'

/**
 * What a configuration of ezlb comes to. Such files load unchanged as well; here their keys get the names of this program, and what
 * has no effect is listed.
 */
export function importEzlb(document: Document): Imported {
  const left: LeftOut[] = []
  const top = new Fields(document, [], document.value)
  const written = top.inner('global')
  const { global, traffic } = readGlobal(written, left)
  const services = top.list('services').map((service) => readService(service, traffic, left))
  left.push(...top.others({}))
  const kept = global['on_exit'] === undefined
  return {
    head: [
      'Made by `pointsman import ezlb`. What could not be carried over was listed on standard error.',
      ...(kept ? ['ezlb removes its services when it ends. Here they stay, unless global says on_exit: remove.'] : []),
      'ezlb takes a backend that fails out of the table, to the last one: on_down: remove, max_ejection: 100%, panic: off.',
    ],
    global,
    defaults: services.length > 0 ? { on_down: 'remove', ...BELIEVES_ALL } : {},
    places: placesOf(written),
    services,
    leftOut: left,
  }
}

function placesOf(global: Fields): ReadonlyMap<string, Place> {
  const log = global.inner('log')
  return new Map([
    ['global.log_level', log.has('level') ? log.place('level') : global.place('log_level')],
    ['global.admin', global.place('admin_address')],
    ['global.metrics_enabled', global.place('metrics_enabled')],
    ['global.metrics_path', global.place('metrics_path')],
  ])
}

/** `traffic`: what `traffic_log: true` of a service comes to. */
function readGlobal(fields: Fields, left: LeftOut[]): { readonly global: Written; readonly traffic: Written } {
  const log = fields.inner('log')
  const traffic = readTraffic(log.inner('traffic'), left)
  const cleanup = fields.truth('cleanup_on_exit')
  const global = present({
    log_level: log.text('level') ?? fields.text('log_level'),
    admin: fields.take('admin_address') || undefined,
    metrics_enabled: fields.truth('metrics_enabled'),
    metrics_path: fields.take('metrics_path'),
    on_exit: cleanup === undefined ? undefined : cleanup ? 'remove' : 'keep',
  })
  left.push(...log.others(OF_LOG), ...fields.others({}))
  return { global, traffic }
}

function readTraffic(fields: Fields, left: LeftOut[]): Written {
  const enabled = fields.truth('enabled') !== false
  const interval = fields.take('interval') ?? TRAFFIC_INTERVAL
  left.push(...fields.others({}))
  return enabled ? { traffic_log: { interval, backends: true } } : {}
}

function readService(fields: Fields, traffic: Written, left: LeftOut[]): ImportedService {
  const fullNat = fields.truth('full_nat')
  const protocol = fields.take('protocol')
  const written = present({
    name: fields.take('name'),
    listen: fields.take('listen'),
    protocol,
    scheduler: fields.take('scheduler'),
    full_nat: fullNat === true ? true : undefined,
    snat_ip: fields.take('snat_ip'),
    ...readCheck(fields, protocol === 'udp', left),
    ...(fields.truth('traffic_log') === true ? traffic : {}),
  })
  const backends = fields.list('backends').map((backend) => readBackend(backend, left))
  left.push(...fields.others({}))
  const notes =
    protocol === 'udp' && !fields.has('health_check')
      ? ['ezlb asks the backends of a UDP service by TCP where nothing is written, and loses all of them; here nobody is asked.']
      : []
  return { place: fields.place(), written, backends, notes }
}

function readCheck(service: Fields, udp: boolean, left: LeftOut[]): Written {
  if (!service.has('health_check')) return {}
  const fields = service.inner('health_check')
  const type = fields.take('type') ?? 'tcp'
  const path = fields.take('http_path')
  const status = fields.take('http_expected_status')
  const times = present({
    interval: fields.take('interval'),
    timeout: fields.take('timeout'),
    fall: fields.take('fail_count'),
    rise: fields.take('rise_count'),
  })
  const enabled = fields.truth('enabled') !== false
  left.push(...fields.others({}))
  if (!enabled) return udp ? {} : { health_check: { type: 'none' } }
  // ezlb follows redirects, up to the ten of Go.
  const http = present({ path, status, redirects: 10 })
  return { health_check: type === 'http' ? { ...times, http } : { type, ...times } }
}

function readBackend(fields: Fields, left: LeftOut[]): ImportedBackend {
  const written = present({ address: fields.take('address'), weight: fields.take('weight') })
  left.push(...fields.others({}))
  return { place: fields.place(), written, notes: [] }
}
