import type { AddressRecord, AliasRecord, DnsMessage, DnsRecord, Question, SrvRecord } from './message.ts'

/** What one server's answer means for the question. Times to live are seconds. */
export type Verdict =
  | { readonly kind: 'records'; readonly records: readonly (AddressRecord | SrvRecord)[]; readonly ttl: number }
  /** The name is another name, about which the answer says nothing. */
  | { readonly kind: 'alias'; readonly name: string; readonly ttl: number }
  | { readonly kind: 'nxdomain' }
  | { readonly kind: 'nodata' }
  /** This server has nothing to say about it; another one may. */
  | { readonly kind: 'elsewhere'; readonly trouble: 'servfail' | 'refused'; readonly what: string }

const RCODE_NAMES = [
  'NOERROR',
  'FORMERR',
  'SERVFAIL',
  'NXDOMAIN',
  'NOTIMP',
  'REFUSED',
  'YXDOMAIN',
  'YXRRSET',
  'NXRRSET',
  'NOTAUTH',
]

/** Reads an answer to a question, whose truncation has been dealt with. */
export function interpret(message: DnsMessage, question: Question): Verdict {
  const rcode = RCODE_NAMES[message.rcode] ?? `response code ${message.rcode}`
  if (rcode === 'REFUSED') return { kind: 'elsewhere', trouble: 'refused', what: 'answers REFUSED' }
  if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN') return { kind: 'elsewhere', trouble: 'servfail', what: `answers ${rcode}` }
  const chain = followAliases(message.answers, question.name)
  if (chain === undefined) return { kind: 'elsewhere', trouble: 'servfail', what: 'answers with names that point at each other' }
  const records = message.answers.filter((record): record is AddressRecord | SrvRecord => isOf(record, chain.name, question))
  if (records.length > 0) return { kind: 'records', records, ttl: Math.min(chain.ttl, ...records.map(({ ttl }) => ttl)) }
  const aliased = chain.name !== question.name
  if (rcode === 'NXDOMAIN') return { kind: 'nxdomain' }
  if (!aliased && (isReferral(message) || isLame(message)))
    return { kind: 'elsewhere', trouble: 'servfail', what: 'does not know the zone' }
  const final = !aliased || message.authorities.some(({ type }) => type === 'SOA')
  return final ? { kind: 'nodata' } : { kind: 'alias', ...chain }
}

function isOf(record: DnsRecord, name: string, { type }: Question): boolean {
  return record.type === type && record.name === name
}

/** The name at the end of the chain of CNAMEs in an answer; undefined where it is a circle. */
function followAliases(
  answers: readonly DnsRecord[],
  asked: string,
): { readonly name: string; readonly ttl: number } | undefined {
  const aliases = new Map(
    answers.filter((record): record is AliasRecord => record.type === 'CNAME').map((one) => [one.name, one]),
  )
  let name = asked
  let ttl = Number.POSITIVE_INFINITY
  for (let steps = 0; steps <= aliases.size; steps++) {
    const alias = aliases.get(name)
    if (alias === undefined) return { name, ttl }
    name = alias.target
    ttl = Math.min(ttl, alias.ttl)
  }
  return undefined
}

/** A referral: the server holds neither the zone nor an answer, and names those of another zone. It is no word about the name. */
function isReferral({ authoritative, authorities }: DnsMessage): boolean {
  const types = authorities.map(({ type }) => type)
  return !authoritative && types.includes('NS') && !types.includes('SOA')
}

/** An empty answer of a server that neither holds the zone nor asks others for us, and that names nobody who does. */
function isLame({ authoritative, recursive, authorities }: DnsMessage): boolean {
  return !authoritative && !recursive && !authorities.some(({ type }) => type === 'SOA')
}
