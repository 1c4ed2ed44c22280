import type { z } from 'zod'
import { accepted, type Grammar, type Misreading, type Reading, refused } from '../document/reading.ts'
import { derived, mapping, optional, section } from '../document/schema.ts'
import { choice, percentage, truth } from '../document/values/choice.ts'
import { duration } from '../document/values/duration.ts'
import { address } from '../document/values/endpoint.ts'
import { integer } from '../document/values/integer.ts'
import { agentKind } from './probe-kinds/agent.ts'
import { dnsKind } from './probe-kinds/dns.ts'
import { execKind } from './probe-kinds/exec.ts'
import { grpcKind } from './probe-kinds/grpc.ts'
import { httpKind } from './probe-kinds/http.ts'
import { httpPath } from './probe-kinds/http-values.ts'
import type { ProbeGrammar } from './probe-kinds/probe-kind.ts'
import { smtpKind } from './probe-kinds/smtp.ts'
import { syslogKind } from './probe-kinds/syslog.ts'
import { tcpKind } from './probe-kinds/tcp.ts'
import { tlsKind } from './probe-kinds/tls.ts'
import { udpKind } from './probe-kinds/udp.ts'
import { listOf } from './shared-schema.ts'

const HOUR = 3_600_000

/** Every kind of probe by its name, which is that of its section. A new one is a file in `probe-kinds/` and a line here. */
export const PROBE_KINDS = {
  tcp: tcpKind,
  tls: tlsKind,
  http: httpKind,
  dns: dnsKind,
  udp: udpKind,
  syslog: syslogKind,
  grpc: grpcKind,
  smtp: smtpKind,
  exec: execKind,
  agent: agentKind,
} as const

export type ProbeKindName = keyof typeof PROBE_KINDS

const KIND_NAMES = Object.keys(PROBE_KINDS) as ProbeKindName[]

type Sections = { [Name in ProbeKindName]: z.ZodOptional<(typeof PROBE_KINDS)[Name]['schema']> }

const sections = Object.fromEntries(KIND_NAMES.map((name) => [name, PROBE_KINDS[name].schema.optional()])) as Sections

const probes = integer('a number of probes', 1, 1000)
const pace = duration({ min: 100, max: HOUR })

/** Kinds as other programs call them, and what is written here. */
const ELSEWHERE: ReadonlyMap<unknown, string> = new Map([
  ['https', 'type: http with http: { tls: {} }'],
  ['ssl', 'type: tls, or type: http with http: { tls: {} }'],
  ['misc', 'type: exec with exec: { command: [/usr/local/bin/check] }'],
  ['script', 'type: exec with exec: { command: [/usr/local/bin/check] }'],
])

const kindNames = choice([...KIND_NAMES, 'none'])

const kindName: Grammar<ProbeKindName | 'none'> = {
  ...kindNames,
  read(raw) {
    const meant = ELSEWHERE.get(raw)
    return meant === undefined ? kindNames.read(raw) : refused(`${String(raw)} is no kind of probe here`, `write ${meant}`)
  },
}

/** When a check is asked and what its results come to; also what a registry may say of its services. */
export const timingKeys = {
  enabled: optional(truth, 'Whether backends are probed; true by default for TCP.'),
  type: optional(kindName, 'Kind of probe; that of the section written here, else tcp. none probes nobody.'),
  interval: optional(pace, 'Time between two probes of a backend; 5s by default.'),
  fast_interval: optional(pace, 'The same while the last results speak against what it is; interval by default.'),
  down_interval: optional(pace, 'The same while it is down; interval by default.'),
  timeout: optional(duration({ min: 10, max: HOUR }), 'How long a probe may take; 3s by default.'),
  fall: optional(probes, 'Failures in a row that make a backend down; 3 by default.'),
  fail_count: optional(probes, 'The same as fall.'),
  rise: optional(probes, 'Successes in a row that make it up again; 2 by default.'),
  rise_count: optional(probes, 'The same as rise.'),
  jitter: optional(percentage(0, 50), 'Share of the interval by which each probe is moved at random; 0% by default.'),
  initial: optional(
    choice(['unknown', 'up', 'down']),
    'What a backend is before its first result; unknown by default: it serves at a cold start, and else after its first success.',
  ),
  http_path: optional(httpPath, 'Path that http asks for, as http: { path } says it.'),
  http_expected_status: optional(integer('a status', 100, 599), 'Status that http expects, as http: { status } says it.'),
}

const checkKeys = mapping(
  {
    ...timingKeys,
    address: optional(address, "Address that is asked in place of the backend's own."),
    port: optional(integer('a port', 1, 65535), "Port that is asked in place of the backend's own."),
    source_address: optional(address, 'Address of this host that the probe comes from; that of the route by default.'),
    fwmark: optional(
      integer('a firewall mark', 1, 4294967295),
      "Firewall mark of the probe's packets, for routing rules and firewalls; none by default.",
    ),
    via: optional(
      choice(['backend', 'vip']),
      'vip: the probe goes to the address of the service and reaches this backend alone, on the way of the clients; backend by default.',
    ),
    ...sections,
  },
  'How backends are probed.',
)

type WrittenKeys = z.output<typeof checkKeys>

/** What one level says of a check, with its aliases under one name. */
export interface WrittenCheck extends Omit<WrittenKeys, 'fail_count' | 'rise_count'> {
  /** The kind that is written, in so many words or by its section. */
  readonly type: ProbeKindName | 'none' | undefined
}

const checkSchema = section(derived(checkKeys, readCheck))

/** `health_check:` */
export const healthCheckSchema = checkSchema

/** `health_checks:` */
export const healthChecksSchema = listOf(checkSchema, 'Several health checks, all of which a backend must pass; [] for none.')

function readCheck(keys: WrittenKeys): Reading<WrittenCheck> {
  const { fail_count: failCount, rise_count: riseCount, ...rest } = keys
  if (keys.fall !== undefined && failCount !== undefined) return twice('fall', 'fail_count')
  if (keys.rise !== undefined && riseCount !== undefined) return twice('rise', 'rise_count')
  const type = readType(keys)
  if (!type.ok) return type
  const http = readHttp(keys)
  if (!http.ok) return http
  return accepted({ ...rest, http: http.value, fall: keys.fall ?? failCount, rise: keys.rise ?? riseCount, type: type.value })
}

function twice(one: string, other: string): Misreading {
  return refused(`${one} and ${other} say the same`, `remove one of the two`)
}

function readType(keys: WrittenKeys): Reading<ProbeKindName | 'none' | undefined> {
  const written = KIND_NAMES.filter((name) => keys[name] !== undefined)
  const [first, second] = written
  if (keys.type === undefined) {
    if (second === undefined) return accepted(first)
    return refused(`the check is of two kinds, ${first} and ${second}`, 'write health_checks: with a list of both')
  }
  const other = written.find((name) => name !== keys.type)
  if (other === undefined) return accepted(keys.type)
  return refused(`${other} has no meaning with type: ${keys.type}`, `write type: ${other}, or remove ${other}`)
}

/** The keys of ezlb that stand outside the section of their kind, inside it. */
function readHttp({ http, http_path: path, http_expected_status: status }: WrittenKeys): Reading<WrittenKeys['http']> {
  if (path !== undefined && http?.path !== undefined) return twice('http_path', 'http: { path }')
  if (status !== undefined && http?.status !== undefined) return twice('http_expected_status', 'http: { status }')
  if (path === undefined && status === undefined) return accepted(http)
  return accepted({
    ...http,
    ...(path !== undefined && { path }),
    ...(status !== undefined && { status: [{ from: status, to: status }] }),
  })
}

/** The grammar of a kind, for those that treat all alike. */
export function probeGrammar(name: ProbeKindName): ProbeGrammar {
  return PROBE_KINDS[name]
}
