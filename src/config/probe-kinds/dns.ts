import { accepted, type Grammar, type Misreading, refused, show } from '../../document/reading.ts'
import { mapping, optional, section } from '../../document/schema.ts'
import { choice, line } from '../../document/values/choice.ts'
import { dnsName } from '../../document/values/dns.ts'
import { integer } from '../../document/values/integer.ts'
import { familyOf, parseAddress } from '../../model/address.ts'
import { DNS_BYTE_TYPES, DNS_PROBE_TYPES, type DnsProbeSpec } from '../../model/probe-spec.ts'
import { probeKind } from './probe-kind.ts'

const EXAMPLE = 'dns: { name: www.example, type: A, answer: 192.0.2.1 }'

/** Their numbers are their places (RFC 1035, 4.1.1). */
const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'] as const

const rcode: Grammar<number> = {
  jsonSchema: { anyOf: [{ enum: RCODES }, { type: 'integer', minimum: 0, maximum: 15 }] },
  read(raw) {
    if (typeof raw === 'number') return integer('a response code', 0, 15).read(raw)
    const word = choice(RCODES).read(raw)
    return word.ok ? accepted(RCODES.indexOf(word.value)) : { ...word, remedy: `${word.remedy}, or a number from 0 to 15` }
  },
}

const name: Grammar<string> = {
  jsonSchema: dnsName('www.example').jsonSchema,
  read: (raw) => (raw === '.' ? accepted(raw) : dnsName('www.example').read(raw)),
}

const dnsKeys = mapping(
  {
    name: optional(name, 'Name that is asked for; a dot is the root.'),
    type: optional(choice(DNS_PROBE_TYPES), 'Type of the records; A by default.'),
    transport: optional(choice(['udp', 'tcp']), 'udp (by default) or tcp.'),
    rcode: optional(rcode, 'Response code that passes; NOERROR by default.'),
    answer: optional(
      line('the data of a record', 1000),
      'Data that one of the records must have, as dig prints them; left out, the response code decides alone.',
    ),
  },
  'A question that a DNS server must answer.',
)

export const dnsKind = probeKind({
  schema: section(dnsKeys),
  example: EXAMPLE,
  toSpec({ name: asked, type = 'A', transport = 'udp', rcode: wanted = 0, answer }) {
    if (asked === undefined) return refused('dns asks for no name', `write ${EXAMPLE}`)
    if (answer !== undefined && wanted !== 0) return refused('a failure has no data', 'remove answer, or rcode')
    const wrong = answer === undefined ? undefined : (wrongAddress(type, answer) ?? wrongBytes(type, answer))
    if (wrong !== undefined) return wrong
    return accepted({ kind: 'dns', name: asked, type, transport, rcode: wanted, ...(answer !== undefined && { answer }) })
  },
})

function wrongBytes(type: DnsProbeSpec['type'], answer: string): Misreading | undefined {
  if (!DNS_BYTE_TYPES.some((one) => one === type) || /^\\# \d+( [\dA-Fa-f ]+)?$/.test(answer)) return undefined
  return refused(
    `${show(answer)} is not in the form in which data of the type ${type} are compared`,
    "write it as dig +unknownformat prints it, such as '\\# 4 C0000201', or remove answer",
  )
}

function wrongAddress(type: DnsProbeSpec['type'], answer: string): Misreading | undefined {
  const family = type === 'A' ? 'ipv4' : type === 'AAAA' ? 'ipv6' : undefined
  if (family === undefined) return undefined
  const address = parseAddress(answer)
  if (address !== undefined && familyOf(address) === family) return undefined
  const kind = family === 'ipv4' ? 'IPv4' : 'IPv6'
  return refused(
    `${answer} is no ${kind} address, and no other data have the type ${type}`,
    `write an ${kind} address, or another type`,
  )
}
