/** Backends that are asked whether they work, in the languages of those who ask them. */

import { numbers, SERVICE_PORT } from './shape.ts'

export interface ProbeTable {
  /** Backends of each kind; each has an address of its own. */
  readonly tcp: number
  readonly http: number
  /** Milliseconds. */
  readonly interval: number
}

/** Where all of them answer. */
export const TARGET_PORT = 8080
/** What HTTP probes ask for. */
export const TARGET_PATH = '/healthz'

const IN_A_SERVICE = 100
/** Milliseconds that an answer may take. */
const TIMEOUT = 2_000

type Kind = 'tcp' | 'http'

const NETWORKS: Readonly<Record<Kind, number>> = { tcp: 1, http: 2 }

/** `1000 TCP + 1000 HTTP a second`. */
export function probeTableName({ tcp, http, interval }: ProbeTable): string {
  const parts = [`${(tcp * 1000) / interval} TCP`, `${(http * 1000) / interval} HTTP`]
  return `${parts.filter((part) => !part.startsWith('0 ')).join(' + ')} a second`
}

/** Backends that are asked alike. */
interface ProbedService {
  readonly kind: Kind
  readonly name: string
  /** Its virtual address. */
  readonly service: string
  readonly backends: readonly string[]
}

function* servicesOf(table: ProbeTable): Generator<ProbedService> {
  let index = 0
  for (const kind of ['tcp', 'http'] as const) {
    for (let first = 0; first < table[kind]; first += IN_A_SERVICE) {
      const count = Math.min(IN_A_SERVICE, table[kind] - first)
      const backends = [...numbers(count)].map((number) => targetAddress(kind, first + number))
      yield { kind, name: `${kind}-${first}`, service: `10.100.${index >> 8}.${index & 255}`, backends }
      index++
    }
  }
}

function targetAddress(kind: Kind, number: number): string {
  return `127.${NETWORKS[kind]}.${(number + 1) >> 8}.${(number + 1) & 255}`
}

/** A configuration file of the daemon. */
export function probingConfigurationText(
  table: ProbeTable,
  {
    stateDirectory,
    adminPort,
    threads = 0,
  }: { readonly stateDirectory: string; readonly adminPort: number; readonly threads?: number },
): string {
  const times = { interval: `${table.interval}ms`, timeout: `${TIMEOUT}ms` }
  const checks = { tcp: { type: 'tcp', ...times }, http: { ...times, http: { path: TARGET_PATH } } }
  return JSON.stringify({
    global: {
      ...{ admin: `127.0.0.1:${adminPort}`, state_dir: stateDirectory, on_exit: 'keep', per_backend_metrics: false },
      probe_threads: threads,
    },
    defaults: { scheduler: 'wlc' },
    services: [...servicesOf(table)].map(({ kind, name, service, backends }) => ({
      name,
      listen: `${service}:${SERVICE_PORT}`,
      health_check: checks[kind],
      backends: backends.map((address) => `${address}:${TARGET_PORT}`),
    })),
  })
}

/** The sections of a configuration of HAProxy, whose page tells that it runs. */
export function haproxySections(table: ProbeTable, statsPort: number): string {
  const lines = ['defaults', '  mode http', `  timeout connect ${TIMEOUT}`, `  timeout client ${TIMEOUT}`]
  lines.push(`  timeout server ${TIMEOUT}`, `  timeout check ${TIMEOUT}`)
  lines.push('listen stats', `  bind 127.0.0.1:${statsPort}`, '  stats enable', '  stats uri /')
  for (const { kind, name, backends } of servicesOf(table)) {
    lines.push(`backend ${name}`)
    if (kind === 'http') {
      lines.push('  option httpchk')
      lines.push(`  http-check send meth GET uri ${TARGET_PATH} ver HTTP/1.1 hdr Host probe hdr Connection close`)
      lines.push('  http-check expect status 200')
    }
    for (const [index, address] of backends.entries())
      lines.push(`  server s${index} ${address}:${TARGET_PORT} check inter ${table.interval}`)
  }
  return `${lines.join('\n')}\n`
}

/** A keepalived.conf that asks the same. All backends are in the kernel from the start, and first probes are spread over the interval. */
export function keepalivedProbesText(table: ProbeTable): string {
  const lines = ['global_defs {', '  router_id bench', '}']
  const seconds = (milliseconds: number) => milliseconds / 1000
  const answer = ['url {', `  path ${TARGET_PATH}`, '  status_code 200', '  virtualhost probe', '}', 'http_protocol 1.1']
  const checks: Readonly<Record<Kind, readonly string[]>> = {
    tcp: ['TCP_CHECK {', '}'],
    http: ['HTTP_GET {', ...answer.map((line) => `  ${line}`), '}'],
  }
  for (const { kind, backends, service } of servicesOf(table)) {
    lines.push(`virtual_server ${service} ${SERVICE_PORT} {`)
    lines.push('  lvs_sched wlc', '  lvs_method NAT', '  protocol TCP')
    lines.push(`  delay_loop ${seconds(table.interval)}`, `  connect_timeout ${seconds(TIMEOUT)}`)
    for (const address of backends) {
      lines.push(`  real_server ${address} ${TARGET_PORT} {`, ...checks[kind].map((line) => `    ${line}`), '  }')
    }
    lines.push('}')
  }
  return `${lines.join('\n')}\n`
}
