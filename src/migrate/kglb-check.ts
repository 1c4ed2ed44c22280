import { isMapping } from '../document/reading.ts'
import { formatDuration } from '../document/values/duration.ts'
import type { Fields, Keys } from './fields.ts'
import { type LeftOut, present, type Written } from './imported.ts'

/** JSON of protobuf may have `lbService` or `lb_service`. */
export function spelled(fields: Fields, key: string): Fields {
  const other = snakeCase(key)
  return fields.inner(fields.has(other) ? other : key)
}

function snakeCase(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

const LIMIT = ['how many probes are under way at a time is said for all services', 'write global: { max_probes: ... }'] as const
const OF_CHECKER: Keys = { concurrencyLimit: LIMIT, concurrency_limit: LIMIT }

/** `health_check` of an `upstreamChecker`. kglb takes 3 and 2 where neither count is written, and begins with every backend down. */
export function kglbCheck(fields: Fields, throughVip: boolean, left: LeftOut[]): Written {
  const milliseconds = (from: Fields, key: string, usual: number) => formatDuration(Number(numberOf(from, key) ?? usual) || usual)
  const rise = numberOf(fields, 'riseCount')
  const fall = numberOf(fields, 'fallCount')
  const interval = milliseconds(fields, 'intervalMs', 5_000)
  const checker = fields.inner('checker')
  const kind = ['dummy', 'tcp', 'http', 'dns', 'syslog'].find((each) => checker.has(each))
  const attributes = checker.inner(kind ?? 'dummy')
  left.push(...fields.others(OF_CHECKER), ...checker.others({}))
  if (kind === undefined || kind === 'dummy') return { health_check: { type: 'none' } }
  const timeout = milliseconds(attributes, 'checkTimeoutMs', 5_000)
  const port = kind === 'syslog' ? numberOf(attributes, 'port') : undefined
  const section = sectionOf(kind, attributes)
  left.push(...attributes.others({}))
  const counts = { fall: fall === undefined && rise === undefined ? 2 : fall, rise: rise ?? (fall === undefined ? 3 : undefined) }
  const via = throughVip ? 'vip' : undefined
  const times = { interval, timeout, ...counts, initial: 'down', via, port: port === 0 ? undefined : port }
  return { health_check: present(section === undefined ? { type: kind, ...times } : { ...times, [kind]: section }) }
}

function numberOf(fields: Fields, key: string): number | undefined {
  return fields.number(key) ?? fields.number(snakeCase(key))
}

function sectionOf(kind: string, fields: Fields): Written | undefined {
  switch (kind) {
    case 'http':
      return httpOf(fields)
    case 'dns':
      return present({
        name: fields.take('queryString') ?? fields.take('query_string'),
        type: typeOf(fields.take('queryType') ?? fields.take('query_type') ?? 'A'),
        transport: isUdp(fields) ? 'udp' : 'tcp',
        rcode: fields.take('rcode') || undefined,
      })
    case 'syslog':
      return {
        transport: isUdp(fields) ? 'udp' : 'tcp',
        severity: SEVERITIES[Number(fields.take('logLevel') ?? fields.take('log_level') ?? 0) & 7],
      }
    default:
      return undefined
  }
}

/** By their numbers (RFC 5424, 6.2.1). */
const SEVERITIES = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug']
const DNS_TYPES = ['A', 'AAAA', 'NS', 'MX', 'TXT', 'SOA']

function typeOf(type: unknown): unknown {
  return typeof type === 'number' ? DNS_TYPES[type] : type
}

function isUdp(fields: Fields): boolean {
  return ['UDP', 1].includes(fields.take('protocol') as string | number)
}

/** kglb verifies no certificate. */
function httpOf(fields: Fields): Written {
  const headers = fields.take('headers')
  const { Host: host, ...others } = isMapping(headers) ? headers : {}
  const proxied = fields.take('proxyCheckUrl') ?? fields.take('proxy_check_url')
  const follow = fields.take('followRedirects') ?? fields.take('follow_redirects')
  const path = fields.take('uri')
  const codes = fields.take('codes')
  const tls = fields.take('scheme') === 'https' ? { verify: false } : undefined
  const asked = proxied === undefined ? { path, host } : { proxy: { url: proxied } }
  return present({
    ...asked,
    headers: Object.keys(others).length > 0 ? others : undefined,
    status: Array.isArray(codes) && codes.length > 0 ? codes : undefined,
    redirects: follow === true ? 10 : undefined,
    tls,
  })
}
