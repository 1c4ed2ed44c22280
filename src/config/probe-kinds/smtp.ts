import { accepted } from '../../document/reading.ts'
import { mapping, optional, section } from '../../document/schema.ts'
import { dnsName } from '../../document/values/dns.ts'
import { probeKind } from './probe-kind.ts'

const smtpKeys = mapping(
  { helo: optional(dnsName('director.example'), 'Name by which we greet with EHLO; localhost by default.') },
  'A mail server that greets and answers EHLO.',
)

export const smtpKind = probeKind({
  schema: section(smtpKeys),
  example: 'smtp: { helo: director.example }',
  toSpec: ({ helo = 'localhost' }) => accepted({ kind: 'smtp', helo: helo.replace(/\.$/, '') }),
})
