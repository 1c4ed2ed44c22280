import type { z } from 'zod'
import { accepted, type Grammar, type Reading, refused } from '../../document/reading.ts'
import { either, mapping, optional, section, value } from '../../document/schema.ts'
import { choice } from '../../document/values/choice.ts'
import { dnsName, nameServer } from '../../document/values/dns.ts'
import { duration, formatDuration } from '../../document/values/duration.ts'
import { integer } from '../../document/values/integer.ts'
import type { DnsInterval, DnsOptions, DnsPolicy, DnsTrouble } from '../../model/dns-source-spec.ts'
import { listOf } from '../shared-schema.ts'
import { shortForm } from './short-form.ts'
import { sourceKind } from './source-kind.ts'

const SECOND = 1_000
const HOUR = 3_600 * SECOND

const policy: Grammar<DnsPolicy> = {
  jsonSchema: { type: 'string', examples: ['hold', 'apply', '30s'] },
  read(raw) {
    if (raw === 'hold') return accepted(raw)
    if (raw === 'apply') return accepted(0)
    const reading = duration({ min: 0, max: 24 * HOUR }).read(raw)
    return reading.ok ? reading : { ...reading, remedy: 'write hold, apply or a duration such as 30s' }
  },
}

const POLICIES: Readonly<Record<DnsTrouble, { readonly initial: DnsPolicy; readonly what: string }>> = {
  nxdomain: { initial: 30 * SECOND, what: 'NXDOMAIN, there is no such name' },
  nodata: { initial: 30 * SECOND, what: 'the name exists without records of the kind that is asked for' },
  no_service: { initial: 0, what: 'the only target is the root, by which the records say that the service is not offered' },
  servfail: { initial: 'hold', what: 'SERVFAIL and every other answer of no use' },
  refused: { initial: 'hold', what: 'REFUSED' },
  timeout: { initial: 'hold', what: 'no answer' },
}

function policyText(initial: DnsPolicy): string {
  if (initial === 'hold') return initial
  return initial === 0 ? 'apply' : formatDuration(initial)
}

function policyKey(trouble: DnsTrouble) {
  const { initial, what } = POLICIES[trouble]
  const meaning = 'hold keeps the last answer, apply counts as an empty answer, a duration does the one and then the other'
  return optional(policy, `What to do about ${what}: ${meaning}; ${policyText(initial)} by default.`)
}

const intervalKeys = (least: number) => {
  const bound = duration({ min: least, max: 24 * HOUR })
  return { min: optional(bound, 'Lower bound.'), max: optional(bound, 'Upper bound.') }
}

const families = listOf(
  value(choice(['ipv4', 'ipv6']), 'An address family.'),
  'Families of addresses that are wanted; by default those that the forwarding of the service reaches: the family of the service, both with tunnel.',
)

const servers = listOf(
  value(nameServer, 'A name server.'),
  'Name servers, asked in this order; by default those of /etc/resolv.conf. Port 8600 is taken for Consul and asked over TCP.',
)

const commonKeys = {
  servers: servers.optional(),
  search: listOf(
    value(dnsName('web.example'), 'A domain.'),
    'Domains that the name is looked for in; by default those of /etc/resolv.conf where its servers are asked, else none.',
  ).optional(),
  transport: optional(
    choice(['auto', 'tcp']),
    'auto asks over UDP, and over TCP where the answer does not fit or the server is Consul; auto by default.',
  ),
  timeout: optional(duration({ min: 100, max: 60 * SECOND }), 'How long one server may take; 2s by default.'),
  families: families.optional(),
  refresh: section(
    mapping(intervalKeys(100), 'What the time to live of the records is clamped to; 5s to 300s by default.'),
  ).optional(),
  retry: section(
    mapping(intervalKeys(100), 'Time to the next question after trouble, doubling from min to max; 1s to 30s by default.'),
  ).optional(),
  hold_obsolete: optional(
    duration({ min: 0, max: HOUR }),
    'How long a member stays after the answers no longer name it, against answers that name others each time; 10s by default.',
  ),
  on_nxdomain: policyKey('nxdomain'),
  on_nodata: policyKey('nodata'),
  on_servfail: policyKey('servfail'),
  on_refused: policyKey('refused'),
  on_timeout: policyKey('timeout'),
}

const srvName = dnsName('_http._tcp.web.example')

const shortSrv = shortForm('name', srvName)

const srvKeys = mapping(
  {
    name: optional(srvName, 'Name of the SRV records.'),
    zero_weight: optional(
      choice(['serve', 'drain']),
      'What the SRV weight 0 means: serve is weight 1, drain takes no new connections; serve by default.',
    ),
    on_no_service: policyKey('no_service'),
    ...commonKeys,
  },
  'A DNS SRV source.',
  { required: ['name'] },
)

const plainKeys = mapping(
  {
    name: optional(dnsName('web.example'), 'Name of the A and AAAA records.'),
    port: optional(integer('a port', 0, 65535), 'Port of every backend; 0 for services that take every port.'),
    ...commonKeys,
  },
  'A DNS source.',
  { required: ['name', 'port'] },
)

const SRV_EXAMPLE = 'dns_srv: { name: _http._tcp.web.example }'
const PLAIN_EXAMPLE = 'dns: { name: web.example, port: 8080 }'

type WrittenSrv = z.output<typeof srvKeys>

export const dnsSrvKind = sourceKind({
  schema: either<{ readonly name?: string | undefined }, typeof srvKeys>(
    shortSrv,
    srvKeys,
    'SRV records of the DNS: each target with its port, weight and priority.',
  ),
  example: SRV_EXAMPLE,
  toSpec(written: WrittenSrv) {
    const { name, zero_weight: zeroWeight = 'serve' } = written
    if (name === undefined) return refused('the dns_srv source has no name', `write ${SRV_EXAMPLE}`)
    const options = toOptions(written)
    return options.ok ? accepted({ kind: 'dns_srv', name, zeroWeight, ...options.value }) : options
  },
})

export const dnsKind = sourceKind({
  schema: plainKeys,
  example: PLAIN_EXAMPLE,
  toSpec(written: z.output<typeof plainKeys>) {
    const { name, port } = written
    if (name === undefined) return refused('the dns source has no name', `write ${PLAIN_EXAMPLE}`)
    if (port === undefined)
      return refused('the dns source has no port, which A and AAAA records do not say', `write ${PLAIN_EXAMPLE}`)
    const options = toOptions(written)
    return options.ok ? accepted({ kind: 'dns', name, port, ...options.value }) : options
  },
})

function toOptions(written: Omit<WrittenSrv, 'name' | 'zero_weight'>): Reading<DnsOptions> {
  const refresh = toInterval('refresh', written.refresh, { min: 5 * SECOND, max: 300 * SECOND })
  if (!refresh.ok) return refresh
  const retry = toInterval('retry', written.retry, { min: SECOND, max: 30 * SECOND })
  if (!retry.ok) return retry
  if (written.servers?.length === 0)
    return refused('the list of servers is empty', 'name one, or remove servers: to ask those of /etc/resolv.conf')
  if (written.families?.length === 0)
    return refused('the list of families is empty', 'write ipv4, ipv6 or both, or remove families:')
  return accepted({
    ...(written.servers !== undefined && { servers: written.servers }),
    ...(written.search !== undefined && { search: written.search.map((domain) => domain.toLowerCase().replace(/\.$/, '')) }),
    ...(written.families !== undefined && { families: written.families }),
    transport: written.transport ?? 'auto',
    timeout: written.timeout ?? 2 * SECOND,
    refresh: refresh.value,
    retry: retry.value,
    holdObsolete: written.hold_obsolete ?? 10 * SECOND,
    policies: {
      nxdomain: written.on_nxdomain ?? POLICIES.nxdomain.initial,
      nodata: written.on_nodata ?? POLICIES.nodata.initial,
      no_service: written.on_no_service ?? POLICIES.no_service.initial,
      servfail: written.on_servfail ?? POLICIES.servfail.initial,
      refused: written.on_refused ?? POLICIES.refused.initial,
      timeout: written.on_timeout ?? POLICIES.timeout.initial,
    },
  })
}

/** A bound that is written moves the other one where it would cross it by default. */
function toInterval(
  key: string,
  written: { readonly min?: number | undefined; readonly max?: number | undefined } | undefined,
  initial: DnsInterval,
): Reading<DnsInterval> {
  const min = written?.min ?? Math.min(initial.min, written?.max ?? initial.min)
  const max = written?.max ?? Math.max(initial.max, min)
  if (min <= max) return accepted({ min, max })
  return refused(
    `${key}.min ${formatDuration(min)} is above ${key}.max ${formatDuration(max)}`,
    'write a min that is not above the max',
  )
}
