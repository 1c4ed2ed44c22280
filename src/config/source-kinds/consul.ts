import { resolve } from 'node:path'
import type { z } from 'zod'
import { accepted, type Grammar, type Reading, refused, show, showAddress, wrongType } from '../../document/reading.ts'
import { either, mapping, optional } from '../../document/schema.ts'
import { choice, line, secretLine, truth } from '../../document/values/choice.ts'
import { duration } from '../../document/values/duration.ts'
import { integer } from '../../document/values/integer.ts'
import { CONSUL_DEFAULT_AGENT, type ConsulSourceSpec } from '../../model/consul-source-spec.ts'
import type { TlsSpec } from '../../model/tls-spec.ts'
import { sourceKind } from './source-kind.ts'
import { filePath, tlsSchema, toTlsSpec } from './tls.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND

const EXAMPLE = 'consul: { service: web }'
const ADDRESS_REMEDY = 'write an address such as http://127.0.0.1:8500, https://consul.example:8501 or unix:///run/consul.sock'

const serviceName = line('the name of a Consul service', 256)
const word = (what: string) => line(what, 256)

const shortConsul: Grammar<{ readonly service?: string | undefined }> = {
  jsonSchema: serviceName.jsonSchema,
  read(raw) {
    const reading = serviceName.read(raw)
    return reading.ok ? accepted({ service: reading.value }) : reading
  },
}

/** The address of an agent; comes out with its scheme and port. */
function readAgent(raw: unknown): Reading<string> {
  const reading = secretLine('the address of a Consul agent', 1000).read(raw)
  if (!reading.ok) return reading
  const text = reading.value
  if (text.startsWith('/')) return accepted(`unix://${text}`)
  const url = URL.parse(/^\w+:\/\//.test(text) ? text : `http://${text}`)
  if (url === null) return refused(`${showAddress(text)} is not the address of an agent`, ADDRESS_REMEDY)
  if (url.username !== '' || url.password !== '')
    return refused('the address holds a user name or password, which would appear in logs', 'remove it; write token_file')
  if (url.protocol === 'unix:')
    return url.pathname.length > 1 ? accepted(`unix://${url.pathname}`) : refused('the socket has no path', ADDRESS_REMEDY)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return refused(`${url.protocol}// is not known`, ADDRESS_REMEDY)
  if ((url.pathname !== '/' && url.pathname !== '') || url.search !== '' || url.hash !== '')
    return refused(`${showAddress(text)} has something behind the port`, ADDRESS_REMEDY)
  const port = url.port === '' ? portOf(text, url.protocol) : url.port
  return accepted(`${url.protocol}//${url.hostname}:${port}`)
}

/** A URL hides the port that is its scheme's own; without one it is Consul's. */
function portOf(text: string, protocol: string): string {
  const usual = protocol === 'https:' ? '443' : '80'
  if (text.replace(/\/$/, '').endsWith(`:${usual}`)) return usual
  return protocol === 'https:' ? '8501' : '8500'
}

const agents: Grammar<readonly string[]> = {
  jsonSchema: {
    anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' }, minItems: 1 }],
    examples: [CONSUL_DEFAULT_AGENT],
  },
  read(raw) {
    const list = Array.isArray(raw) ? raw : [raw]
    if (list.length === 0) return refused('the list of agents is empty', ADDRESS_REMEDY)
    const found: string[] = []
    for (const entry of list) {
      const reading = readAgent(entry)
      if (!reading.ok) return reading
      if (found.includes(reading.value)) return refused(`${reading.value} is listed twice`, 'keep one of the two')
      found.push(reading.value)
    }
    return accepted(found)
  },
}

/** One word or several. */
function words(what: string): Grammar<readonly string[]> {
  const one = word(what)
  return {
    jsonSchema: { anyOf: [one.jsonSchema, { type: 'array', items: one.jsonSchema }] },
    read(raw) {
      const found: string[] = []
      for (const entry of Array.isArray(raw) ? raw : [raw]) {
        const reading = one.read(entry)
        if (!reading.ok) return reading
        if (!found.includes(reading.value)) found.push(reading.value)
      }
      return accepted(found.sort())
    },
  }
}

const pairs: Grammar<Readonly<Record<string, string>>> = {
  jsonSchema: { type: 'object', additionalProperties: { type: 'string' } },
  read(raw) {
    const remedy = 'write { rack: r1 }'
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return wrongType(raw, 'a mapping', remedy)
    const found: Record<string, string> = {}
    for (const [key, value] of Object.entries(raw).sort(([a], [b]) => (a < b ? -1 : 1))) {
      const reading = word(`a text behind ${key}`).read(value)
      if (!reading.ok) return refused(`${key}: ${reading.problem}`, reading.remedy)
      if (key === '' || key.includes(':')) return refused(`${show(key)} cannot be a key of node meta`, remedy)
      found[key] = reading.value
    }
    return accepted(found)
  },
}

/** Also of catalogs, which name no service. */
export const consulKeys = mapping(
  {
    service: optional(serviceName, 'Name of the service in Consul.'),
    address: optional(
      agents,
      'Address of the agent, or a list: the next is asked when one fails. http://127.0.0.1:8500 by default; https and unix sockets too.',
    ),
    tls: tlsSchema.optional(),
    token: optional(secretLine('an ACL token', 256), 'ACL token; a file is the safer place.'),
    token_file: optional(
      filePath,
      'File with the ACL token alone; it is read again when it changes and when the token is refused.',
    ),
    datacenter: optional(word('the name of a datacenter'), "Datacenter; the agent's own by default."),
    namespace: optional(word('the name of a namespace'), 'Namespace (Consul Enterprise).'),
    partition: optional(word('the name of a partition'), 'Admin partition (Consul Enterprise).'),
    consistency: optional(
      choice(['default', 'consistent', 'stale']),
      'default asks the leader, consistent has it confirmed by its followers first, stale takes the answer of any server.',
    ),
    max_stale: optional(
      duration({ min: 0, max: 60 * MINUTE }),
      'Answers of a server that has not heard of the leader for longer add members and remove none; 10s by default.',
    ),
    filter: optional(line('a filter expression of Consul', 4000), 'Expression in the filter language of Consul.'),
    tags: optional(words('a tag'), 'Only instances that carry all of these tags.'),
    node_meta: optional(pairs, 'Only instances on nodes with this metadata.'),
    near: optional(word('the name of a node'), "Node to sort by; _agent is the agent's own."),
    passing_only: optional(truth, 'Whether warning counts as critical; false by default.'),
    tagged_address: optional(
      word('the key of a tagged address'),
      'Tagged address to use where an instance or its node has it: lan_ipv4, wan_ipv6, ...',
    ),
    wait: optional(
      duration({ min: SECOND, max: 10 * MINUTE }),
      'How long a blocking query waits for a change, and how often what is known is confirmed (once a minute while it has changed lately); 5m by default.',
    ),
    max_watches: optional(
      integer('a number of connections', 4, 10_000),
      'Connections to the agent at once; with more services than that, many share a few; 100 by default.',
    ),
  },
  'Instances of a Consul service.',
  { required: ['service'] },
)

type WrittenConsul = z.output<typeof consulKeys>

export const consulKind = sourceKind({
  schema: either<WrittenConsul, typeof consulKeys>(
    shortConsul,
    consulKeys,
    'The instances of a service in Consul, with their health and weights.',
  ),
  example: EXAMPLE,
  toSpec(written: WrittenConsul, directory) {
    if (written.service === undefined) return refused('the consul source has no service', `write ${EXAMPLE}`)
    if (written.token !== undefined && written.token_file !== undefined)
      return refused('the consul source has both token and token_file', 'remove one of the two')
    const { address = [CONSUL_DEFAULT_AGENT] } = written
    const tls = toTls(written, address, directory)
    if (!tls.ok) return tls
    const spec: ConsulSourceSpec = {
      kind: 'consul',
      service: written.service,
      agents: address,
      ...(tls.value !== undefined && { tls: tls.value }),
      ...(written.token !== undefined && { token: written.token }),
      ...(written.token_file !== undefined && { tokenFile: resolve(directory, written.token_file) }),
      ...(written.datacenter !== undefined && { datacenter: written.datacenter }),
      ...(written.namespace !== undefined && { namespace: written.namespace }),
      ...(written.partition !== undefined && { partition: written.partition }),
      consistency: written.consistency ?? 'default',
      maxStale: written.max_stale ?? 10 * SECOND,
      ...(written.filter !== undefined && { filter: written.filter }),
      tags: written.tags ?? [],
      nodeMeta: written.node_meta ?? {},
      ...(written.near !== undefined && { near: written.near }),
      passingOnly: written.passing_only ?? false,
      ...(written.tagged_address !== undefined && { taggedAddress: written.tagged_address }),
      wait: written.wait ?? 5 * MINUTE,
      maxWatches: written.max_watches ?? 100,
    }
    return accepted(spec)
  },
})

function toTls({ tls }: WrittenConsul, address: readonly string[], directory: string): Reading<TlsSpec | undefined> {
  if (tls === undefined) return accepted(undefined)
  if (address.some((agent) => agent.startsWith('https:'))) return toTlsSpec(tls, directory)
  return refused('tls has no meaning without an https:// address', 'write address: https://..., or remove tls')
}
