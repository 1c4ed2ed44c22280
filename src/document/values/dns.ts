import { isIP } from 'node:net'
import type { NameServer } from '../../model/dns-source-spec.ts'
import { accepted, type Grammar, refused, show, wrongType } from '../reading.ts'

const LABEL = /^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?$/
const NAME_PATTERN = '^[A-Za-z0-9_.-]{1,254}$'

/** A name in the DNS: letters, digits, hyphens and underscores between dots (RFC 1035). A dot at the end is kept: it ends the search. */
export function dnsName(example: string): Grammar<string> {
  const remedy = `write a name such as ${example}`
  return {
    jsonSchema: { type: 'string', pattern: NAME_PATTERN, examples: [example] },
    read(raw) {
      if (typeof raw !== 'string') return wrongType(raw, 'a name', remedy)
      if (raw === '') return refused('the name is empty', remedy)
      if (isIP(raw) !== 0) return refused(`${show(raw)} is an address, not a name`, `${remedy}; addresses go into backends:`)
      const labels = raw.replace(/\.$/, '').split('.')
      const wrong = labels.find((label) => !LABEL.test(label))
      if (wrong !== undefined) {
        const part = wrong === '' ? 'an empty part' : `the part ${show(wrong)}`
        return refused(`${show(raw)} has ${part}`, `${remedy}: letters, digits, hyphens and underscores between single dots`)
      }
      const long = labels.find((label) => label.length > 63)
      if (long !== undefined) return refused(`${show(raw)} has a part of ${long.length} characters`, 'write parts of at most 63')
      if (raw.length > 254) return refused(`the name has ${raw.length} characters`, 'write at most 253')
      return accepted(raw)
    },
  }
}

const SERVER_REMEDY =
  'write an IP address, with a port where it is not 53, such as 10.0.0.2, 127.0.0.1:8600 or "[fe80::1%eth0]:53"'

/** `10.0.0.2`, `10.0.0.2:8600`, `2001:db8::2`, `[2001:db8::2]:8600`; an IPv6 address may have a zone. */
export const nameServer: Grammar<NameServer> = {
  jsonSchema: { type: 'string', examples: ['10.0.0.2', '127.0.0.1:8600', '[fe80::1%eth0]:53'] },
  read(raw) {
    if (typeof raw !== 'string') return wrongType(raw, 'a name server', SERVER_REMEDY)
    const text = raw.trim()
    if (isIP(text) !== 0) return accepted({ address: text, port: 53 })
    const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d+))?$/.exec(text) ?? []
    const address = bracketed ?? plain ?? ''
    if (isIP(address) !== (bracketed === undefined ? 4 : 6)) return refused(`${show(raw)} is not a name server`, SERVER_REMEDY)
    const port = Number(digits ?? 53)
    if (port < 1 || port > 65535) return refused(`port ${digits} is not between 1 and 65535`, SERVER_REMEDY)
    return accepted({ address, port })
  },
}
